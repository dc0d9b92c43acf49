//! API keys, inside one tenant. How a key comes in is `identity/key.rs`.

use auth::{KeySecret, PermissionSet};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::{ApiKey, ApiKeyId, ApiKeyName};
use tenant_db::TenantConn;
use uuid::Uuid;

use crate::error::Error;
use crate::plan_limits::{Growth, Room};
use crate::schema::api_keys;

/// What a new key is made of.
#[derive(Debug)]
pub struct NewApiKey {
    /// What it is for.
    pub name: ApiKeyName,
    /// What it may do.
    pub scopes: PermissionSet,
    /// When it ends; `None`: not by itself.
    pub expires_at: Option<DateTime<Utc>>,
}

/// At most `limit` keys, newest first, those after `after` when it is given; expired ones too.
///
/// # Errors
/// [`Error::Database`].
pub fn list(
    conn: &mut TenantConn<'_>,
    after: Option<ApiKeyId>,
    limit: i64,
) -> Result<Vec<ApiKey>, Error> {
    Ok(api_keys::table
        .filter(api_keys::tenant_id.eq(conn.tenant()))
        .filter(api_keys::id.lt(after.map_or(Uuid::max(), ApiKeyId::uuid)))
        .order(api_keys::id.desc())
        .limit(limit)
        .select(Row::as_select())
        .load(conn)?
        .into_iter()
        .map(Into::into)
        .collect())
}

/// One key.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has none with this id.
pub fn find(conn: &mut TenantConn<'_>, id: ApiKeyId) -> Result<ApiKey, Error> {
    let row: Row = api_keys::table
        .find((conn.tenant(), id.uuid()))
        .select(Row::as_select())
        .first(conn)?;
    Ok(row.into())
}

/// A new key, made by the caller's membership. The database refuses a caller below admin, a role
/// above the caller's, and a key.
///
/// # Errors
/// [`Error::Database`].
pub fn insert(
    conn: &mut TenantConn<'_>,
    room: &mut Room,
    new: &NewApiKey,
    secret: &KeySecret,
) -> Result<ApiKey, Error> {
    room.take(Growth::ApiKey);
    let row: Row = diesel::insert_into(api_keys::table)
        .values((
            api_keys::tenant_id.eq(conn.tenant()),
            api_keys::id.eq(ApiKeyId::generate().uuid()),
            api_keys::name.eq(new.name.as_str()),
            api_keys::prefix.eq(secret.prefix()),
            api_keys::hash.eq(secret.hash().as_bytes().as_slice()),
            api_keys::role.eq(new.scopes.weakest_role().as_str()),
            api_keys::scopes.eq(new.scopes.words()),
            api_keys::expires_at.eq(new.expires_at),
        ))
        .returning(Row::as_returning())
        .get_result(conn)?;
    Ok(row.into())
}

/// Revokes a key: it is good for nothing any more, and gone. The database refuses a caller below
/// admin, and a key.
///
/// # Errors
/// [`Error::NotFound`].
pub fn delete(conn: &mut TenantConn<'_>, id: ApiKeyId) -> Result<(), Error> {
    let deleted = diesel::delete(api_keys::table.find((conn.tenant(), id.uuid()))).execute(conn)?;
    (deleted == 1).then_some(()).ok_or(Error::NotFound)
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_keys, check_for_backend(diesel::pg::Pg))]
struct Row {
    id: Uuid,
    name: String,
    prefix: String,
    scopes: Vec<Option<String>>,
    created_by: Uuid,
    expires_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl From<Row> for ApiKey {
    fn from(row: Row) -> Self {
        Self {
            id: row.id.into(),
            name: row.name,
            prefix: row.prefix,
            scopes: row.scopes.into_iter().flatten().collect(),
            created_by: row.created_by.into(),
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            created_at: row.created_at,
        }
    }
}

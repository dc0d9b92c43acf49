//! The tenant's own row, inside its context: the only one that it sees.

use chrono::{DateTime, Utc};
use diesel::declare_sql_function;
use diesel::prelude::*;
use diesel::sql_types;
use domain::{Tenant, TenantChanges};
use tenant_db::TenantConn;
use uuid::Uuid;

use crate::error::{Error, unknown_word};
use crate::schema::tenants;

#[declare_sql_function]
extern "SQL" {
    /// The door by which an owner ends the tenant; see the migration `tenant_deletion`.
    #[sql_name = "directory.delete_tenant"]
    fn delete_tenant(grace_days: sql_types::Integer) -> sql_types::Bool;

    /// The door that erases what is in a tenant whose grace is over.
    #[sql_name = "directory.purge_tenant"]
    fn purge_tenant(most: sql_types::Integer) -> sql_types::BigInt;
}

/// The tenant of this transaction.
///
/// # Errors
/// [`Error::Database`].
pub fn find(conn: &mut TenantConn<'_>) -> Result<Tenant, Error> {
    tenants::table
        .find(conn.tenant())
        .select(Row::as_select())
        .first(conn)?
        .try_into()
}

/// The tenant of this transaction, which nobody else changes until that ends.
///
/// # Errors
/// [`Error::NotFound`] for a caller below admin, who may not lock.
pub fn lock(conn: &mut TenantConn<'_>) -> Result<Tenant, Error> {
    tenants::table
        .find(conn.tenant())
        .select(Row::as_select())
        .for_no_key_update()
        .first(conn)?
        .try_into()
}

/// Changes the tenant of this transaction; without changes, it is left as it is. The database
/// refuses a caller below admin.
///
/// # Errors
/// [`Error::Database`].
pub fn update(conn: &mut TenantConn<'_>, changes: &TenantChanges) -> Result<Tenant, Error> {
    if changes.is_empty() {
        return find(conn);
    }
    diesel::update(tenants::table.find(conn.tenant()))
        .set((
            Changes {
                name: changes.name.as_ref().map(|name| name.as_str()),
                signup: changes.signup.map(domain::Signup::as_str),
                signup_domains: changes.signup_domains.as_deref(),
                settings: changes.settings.as_ref(),
                branding: changes.branding.as_ref(),
            },
            tenants::updated_at.eq(diesel::dsl::now),
        ))
        .returning(Row::as_returning())
        .get_result(conn)?
        .try_into()
}

/// The tenant of this transaction is to be erased after so many days, at least one. From the next
/// transaction on nobody works in it; its owners are told by mail. `false`: that was asked for
/// before, and stays as it was.
///
/// # Errors
/// [`tenant_db::Error::RoleMayNotWrite`] for anybody but an owner in person.
pub fn delete(conn: &mut TenantConn<'_>, grace_days: i32) -> Result<bool, Error> {
    Ok(diesel::select(delete_tenant(grace_days)).get_result(conn)?)
}

/// Erases at most `most` rows of the tenant of this transaction, whose grace is over. Answers how
/// many; when they are fewer, only [`IdentityDb::erase_tenant`](crate::IdentityDb::erase_tenant) is
/// left to be done.
///
/// # Errors
/// [`tenant_db::Error::Stale`] for whoever is no job, and while the tenant can be restored.
pub fn purge(conn: &mut TenantConn<'_>, most: i32) -> Result<i64, Error> {
    Ok(diesel::select(purge_tenant(most)).get_result(conn)?)
}

#[derive(Queryable, QueryableByName, Selectable)]
#[diesel(table_name = tenants, check_for_backend(diesel::pg::Pg))]
pub(crate) struct Row {
    id: Uuid,
    slug: String,
    subdomain: String,
    name: String,
    status: String,
    subscription_tier: String,
    rate_limit_per_minute: Option<i32>,
    rate_limit_burst: Option<i32>,
    signup: String,
    signup_domains: Vec<Option<String>>,
    settings: serde_json::Value,
    branding: serde_json::Value,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    erase_after: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Tenant {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.id.into(),
            slug: row.slug,
            subdomain: row.subdomain,
            name: row.name,
            status: row.status.parse().map_err(unknown_word)?,
            subscription_tier: row.subscription_tier.parse().map_err(unknown_word)?,
            rate_limit_per_minute: row.rate_limit_per_minute,
            rate_limit_burst: row.rate_limit_burst,
            signup: row.signup.parse().map_err(unknown_word)?,
            signup_domains: row.signup_domains.into_iter().flatten().collect(),
            settings: row.settings,
            branding: row.branding,
            created_at: row.created_at,
            updated_at: row.updated_at,
            erase_after: row.erase_after,
        })
    }
}

#[derive(AsChangeset)]
#[diesel(table_name = tenants)]
struct Changes<'a> {
    name: Option<&'a str>,
    signup: Option<&'a str>,
    signup_domains: Option<&'a [String]>,
    settings: Option<&'a serde_json::Value>,
    branding: Option<&'a serde_json::Value>,
}

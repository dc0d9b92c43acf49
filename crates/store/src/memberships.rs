//! Memberships, inside one tenant: what the API calls users.

use auth::PasswordHash;
use chrono::{DateTime, Utc};
use diesel::declare_sql_function;
use diesel::prelude::*;
use domain::{AccountId, Email, FullName, Membership, MembershipId, Role};
use tenant_db::TenantConn;
use uuid::Uuid;

use crate::error::{Error, unknown_word};
use crate::schema::memberships;

#[declare_sql_function]
extern "SQL" {
    /// The door that makes an account of the current tenant; see the migration `directory`.
    #[sql_name = "directory.create_managed_account"]
    fn create_managed_account(
        email: diesel::sql_types::Text,
        full_name: diesel::sql_types::Text,
        password_hash: diesel::sql_types::Text,
    ) -> diesel::sql_types::Uuid;
}

/// The query for the id of an account's membership of a tenant.
#[diesel::dsl::auto_type(no_type_alias)]
pub(crate) fn id_of(tenant: Uuid, account: AccountId) -> _ {
    let account: Uuid = account.uuid();
    memberships::table
        .filter(memberships::tenant_id.eq(tenant))
        .filter(memberships::account_id.eq(account))
        .filter(memberships::removed_at.is_null())
        .select(memberships::id)
}

/// One member.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has none with this id.
pub fn find(conn: &mut TenantConn<'_>, id: MembershipId) -> Result<Membership, Error> {
    memberships::table
        .find((conn.tenant(), id.uuid()))
        .filter(memberships::removed_at.is_null())
        .select(Row::as_select())
        .first(conn)?
        .try_into()
}

/// A managed account of this tenant with a membership in `role`. The database refuses a caller
/// below admin, and a role above the caller's.
///
/// # Errors
/// [`Error::EmailTaken`] when the tenant has a member with this address.
pub fn insert_managed(
    conn: &mut TenantConn<'_>,
    email: &Email,
    full_name: &FullName,
    password_hash: &PasswordHash,
    role: Role,
) -> Result<Membership, Error> {
    let id: Uuid = diesel::select(create_managed_account(
        email.as_str(),
        full_name.as_str(),
        password_hash.as_str(),
    ))
    .get_result(conn)?;
    diesel::update(memberships::table.find((conn.tenant(), id)))
        .set(memberships::role.eq(role.as_str()))
        .returning(Row::as_returning())
        .get_result(conn)?
        .try_into()
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = memberships, check_for_backend(diesel::pg::Pg))]
struct Row {
    tenant_id: Uuid,
    id: Uuid,
    account_id: Option<Uuid>,
    email: String,
    full_name: String,
    role: String,
    status: String,
    role_version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for Membership {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.id.into(),
            tenant_id: row.tenant_id.into(),
            account_id: row.account_id.map(Into::into),
            email: row.email,
            full_name: row.full_name,
            role: row.role.parse().map_err(unknown_word)?,
            status: row.status.parse().map_err(unknown_word)?,
            role_version: row.role_version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

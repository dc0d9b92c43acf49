//! The doors to a tenant from outside: how it is found, begins, comes back and ends.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Integer, Nullable, Text, Uuid as SqlUuid};
use domain::{
    AccountId, CustomRights, CustomRoleName, Tenant, TenantId, TenantMembership, TenantName,
    TenantSlug, TenantStatus,
};
use uuid::Uuid;

use super::{CreatedRow, PurgedRow};
use crate::error::{Error, unknown_word};
use crate::tenants;

/// A tenant as somebody outside of it may know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TenantEntry {
    /// The tenant's id.
    pub id: TenantId,
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Whether it is active.
    pub status: TenantStatus,
}

/// The tenants of an account, by name.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn memberships_of(
    conn: &mut PgConnection,
    account: AccountId,
) -> Result<Vec<TenantMembership>, Error> {
    diesel::sql_query("SELECT * FROM directory.memberships_of($1)")
        .bind::<SqlUuid, _>(account.uuid())
        .load::<MembershipRow>(conn)?
        .into_iter()
        .map(TryInto::try_into)
        .collect()
}

/// The tenant with this slug.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn find_by_slug(
    conn: &mut PgConnection,
    slug: &TenantSlug,
) -> Result<Option<TenantEntry>, Error> {
    diesel::sql_query("SELECT id, slug, name, status FROM directory.tenant_by(slug => $1)")
        .bind::<Text, _>(slug.as_str())
        .get_result::<TenantRow>(conn)
        .optional()?
        .map(TryInto::try_into)
        .transpose()
}

/// A new tenant, whose owner is this account.
///
/// # Errors
/// [`Error::SlugTaken`]; [`tenant_db::Error::NotAMember`] for a managed account.
pub(crate) fn create_tenant(
    conn: &mut PgConnection,
    account: AccountId,
    slug: &TenantSlug,
    name: &TenantName,
) -> Result<TenantId, Error> {
    let created: CreatedRow =
        diesel::sql_query("SELECT tenant_id AS id FROM directory.create_tenant($1, $2, $3)")
            .bind::<SqlUuid, _>(account.uuid())
            .bind::<Text, _>(slug.as_str())
            .bind::<Text, _>(name.as_str())
            .get_result(conn)?;
    Ok(created.id.into())
}

/// The whole row of a tenant, for one of its active members.
///
/// # Errors
/// [`Error::NotFound`] for anybody else.
pub(crate) fn tenant_of(
    conn: &mut PgConnection,
    account: AccountId,
    tenant: TenantId,
) -> Result<Tenant, Error> {
    diesel::sql_query("SELECT * FROM directory.tenant_of($1, $2)")
        .bind::<SqlUuid, _>(account.uuid())
        .bind::<SqlUuid, _>(tenant.uuid())
        .get_result::<tenants::Row>(conn)?
        .try_into()
}

/// Brings back a tenant that this owner stands in. `false`: it was not to be erased.
///
/// # Errors
/// [`tenant_db::Error::TenantDeleting`] when its grace is over,
/// [`tenant_db::Error::TenantSuspended`]; [`tenant_db::Error::NotAMember`] and
/// [`tenant_db::Error::Stale`] for whoever is no owner any more.
pub(crate) fn restore_tenant(
    conn: &mut PgConnection,
    account: AccountId,
    tenant: TenantId,
) -> Result<bool, Error> {
    let restored = diesel::sql_query("SELECT directory.restore_tenant($1, $2) AS done")
        .bind::<SqlUuid, _>(account.uuid())
        .bind::<SqlUuid, _>(tenant.uuid())
        .get_result::<DoneRow>(conn)?;
    Ok(restored.done)
}

/// Asks tenants whose grace is over to erase themselves. Answers how many.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn enqueue_erasures(conn: &mut PgConnection, most: i32) -> Result<i64, Error> {
    let asked: PurgedRow = diesel::sql_query("SELECT directory.enqueue_erasures($1) AS jobs")
        .bind::<Integer, _>(most)
        .get_result(conn)?;
    Ok(asked.jobs)
}

/// Erases a tenant whose grace is over, with all that is left of it. `false`: there is none.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn erase_tenant(conn: &mut PgConnection, tenant: TenantId) -> Result<bool, Error> {
    let erased = diesel::sql_query("SELECT directory.erase_tenant($1) AS done")
        .bind::<SqlUuid, _>(tenant.uuid())
        .get_result::<DoneRow>(conn)?;
    Ok(erased.done)
}

#[derive(QueryableByName)]
struct TenantRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    slug: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    status: String,
}

impl TryFrom<TenantRow> for TenantEntry {
    type Error = Error;

    fn try_from(row: TenantRow) -> Result<Self, Error> {
        Ok(Self {
            id: row.id.into(),
            slug: row.slug,
            name: row.name,
            status: row.status.parse().map_err(unknown_word)?,
        })
    }
}

#[derive(QueryableByName)]
struct MembershipRow {
    #[diesel(sql_type = SqlUuid)]
    tenant_id: Uuid,
    #[diesel(sql_type = Text)]
    slug: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    tenant_status: String,
    #[diesel(sql_type = SqlUuid)]
    membership_id: Uuid,
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Integer)]
    role_version: i32,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Nullable<Text>)]
    custom_role: Option<String>,
    #[diesel(sql_type = Nullable<Array<Text>>)]
    permissions: Option<Vec<String>>,
}

impl TryFrom<MembershipRow> for TenantMembership {
    type Error = Error;

    fn try_from(row: MembershipRow) -> Result<Self, Error> {
        let custom_role = match row.custom_role {
            Some(name) => Some(CustomRights {
                name: CustomRoleName::try_from(name).map_err(Error::unreadable)?,
                permissions: row.permissions.unwrap_or_default(),
            }),
            None => None,
        };
        Ok(Self {
            custom_role,
            tenant_id: row.tenant_id.into(),
            slug: row.slug,
            name: row.name,
            tenant_status: row.tenant_status.parse().map_err(unknown_word)?,
            membership_id: row.membership_id.into(),
            role: row.role.parse().map_err(unknown_word)?,
            role_version: row.role_version,
            status: row.status.parse().map_err(unknown_word)?,
        })
    }
}

#[derive(QueryableByName)]
struct DoneRow {
    #[diesel(sql_type = Bool)]
    done: bool,
}

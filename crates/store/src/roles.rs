//! The roles that a tenant made for itself. The built-in ones stand in no table.

use auth::PermissionSet;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::{CustomRole, CustomRoleName, Role, RoleId};
use tenant_db::TenantConn;
use uuid::Uuid;

use crate::error::{Error, unknown_word};
use crate::plan_limits::{Growth, Room};
use crate::schema::roles;

/// What is changed of a role; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct RoleChanges {
    /// Its name.
    pub name: Option<CustomRoleName>,
    /// What it is based on.
    pub based_on: Option<Role>,
    /// What it permits.
    pub permissions: Option<PermissionSet>,
}

impl RoleChanges {
    /// Whether nothing is changed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.name.is_none() && self.based_on.is_none() && self.permissions.is_none()
    }
}

/// At most `limit` roles, oldest first, those after `after` when it is given.
///
/// # Errors
/// [`Error::Database`].
pub fn list(
    conn: &mut TenantConn<'_>,
    after: Option<RoleId>,
    limit: i64,
) -> Result<Vec<CustomRole>, Error> {
    roles::table
        .filter(roles::tenant_id.eq(conn.tenant()))
        .filter(roles::id.gt(after.map_or(Uuid::nil(), RoleId::uuid)))
        .order(roles::id.asc())
        .limit(limit)
        .select(Row::as_select())
        .load(conn)?
        .into_iter()
        .map(TryInto::try_into)
        .collect()
}

/// One role.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has made none with this id.
pub fn find(conn: &mut TenantConn<'_>, id: RoleId) -> Result<CustomRole, Error> {
    roles::table
        .find((conn.tenant(), id.uuid()))
        .select(Row::as_select())
        .first(conn)?
        .try_into()
}

/// One role, which nobody else changes or gives away until the transaction ends. The database
/// refuses a caller below admin.
///
/// # Errors
/// As [`find`].
pub fn lock(conn: &mut TenantConn<'_>, id: RoleId) -> Result<CustomRole, Error> {
    roles::table
        .find((conn.tenant(), id.uuid()))
        .select(Row::as_select())
        .for_update()
        .first(conn)?
        .try_into()
}

/// The role of this name, which nobody changes until the transaction ends: to be given to a
/// member. Nothing is found by a caller below admin, who gives no roles.
///
/// # Errors
/// [`Error::Database`].
pub fn hold_by_name(
    conn: &mut TenantConn<'_>,
    name: &CustomRoleName,
) -> Result<Option<CustomRole>, Error> {
    roles::table
        .filter(roles::tenant_id.eq(conn.tenant()))
        .filter(roles::name.eq(name.as_str()))
        .select(Row::as_select())
        .for_share()
        .first(conn)
        .optional()?
        .map(TryInto::try_into)
        .transpose()
}

/// A new role. The database refuses a caller below admin, and a key.
///
/// # Errors
/// [`Error::RoleNameTaken`].
pub fn insert(
    conn: &mut TenantConn<'_>,
    room: &mut Room,
    name: &CustomRoleName,
    based_on: Role,
    permissions: &PermissionSet,
) -> Result<CustomRole, Error> {
    room.take(Growth::Role);
    diesel::insert_into(roles::table)
        .values((
            roles::tenant_id.eq(conn.tenant()),
            roles::id.eq(RoleId::generate().uuid()),
            roles::name.eq(name.as_str()),
            roles::based_on.eq(based_on.as_str()),
            roles::permissions.eq(permissions.words()),
        ))
        .returning(Row::as_returning())
        .get_result(conn)?
        .try_into()
}

/// Changes a role, for all who have it: their tokens are stale. Without changes, it is left as it
/// is. The database refuses as [`insert`] says.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::RoleNameTaken`].
pub fn update(
    conn: &mut TenantConn<'_>,
    id: RoleId,
    changes: &RoleChanges,
) -> Result<CustomRole, Error> {
    if changes.is_empty() {
        return find(conn, id);
    }
    diesel::update(roles::table.find((conn.tenant(), id.uuid())))
        .set((
            Changes {
                name: changes.name.as_ref().map(CustomRoleName::as_str),
                based_on: changes.based_on.map(Role::as_str),
                permissions: changes.permissions.as_ref().map(PermissionSet::words),
            },
            roles::updated_at.eq(diesel::dsl::now),
        ))
        .returning(Row::as_returning())
        .get_result(conn)?
        .try_into()
}

/// Deletes a role that nobody has. The database refuses as [`insert`] says.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::RoleInUse`].
pub fn delete(conn: &mut TenantConn<'_>, id: RoleId) -> Result<(), Error> {
    let deleted = diesel::delete(roles::table.find((conn.tenant(), id.uuid()))).execute(conn)?;
    (deleted == 1).then_some(()).ok_or(Error::NotFound)
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = roles, check_for_backend(diesel::pg::Pg))]
struct Row {
    id: Uuid,
    name: String,
    based_on: String,
    permissions: Vec<Option<String>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for CustomRole {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.id.into(),
            name: row.name.try_into().map_err(Error::unreadable)?,
            based_on: row.based_on.parse().map_err(unknown_word)?,
            permissions: row.permissions.into_iter().flatten().collect(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

#[derive(AsChangeset)]
#[diesel(table_name = roles)]
struct Changes<'a> {
    name: Option<&'a str>,
    based_on: Option<&'a str>,
    permissions: Option<Vec<&'a str>>,
}

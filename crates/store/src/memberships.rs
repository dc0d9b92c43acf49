//! Memberships, inside one tenant: what the API calls users.

use auth::PasswordHash;
use chrono::{DateTime, Utc};
use diesel::declare_sql_function;
use diesel::prelude::*;
use domain::{
    AccountId, CustomRoleName, Email, FullName, GrantedRole, Membership, MembershipChanges,
    MembershipId, MembershipStatus, Role, RoleId,
};
use tenant_db::TenantConn;
use uuid::Uuid;

use crate::error::{Error, unknown_word};
use crate::plan_limits::{Growth, Room};
use crate::schema::{memberships, roles};

#[declare_sql_function]
extern "SQL" {
    /// The door that makes an account of the current tenant; see the migration `directory`.
    #[sql_name = "directory.create_managed_account"]
    fn create_managed_account(
        email: diesel::sql_types::Text,
        full_name: diesel::sql_types::Text,
        password_hash: diesel::sql_types::Text,
    ) -> diesel::sql_types::Uuid;

    /// The door by which members change their own name; see the migration `members`.
    #[sql_name = "directory.set_own_name"]
    fn set_own_name(
        name: diesel::sql_types::Text,
    ) -> diesel::sql_types::Nullable<diesel::sql_types::Uuid>;

    /// The door by which members leave.
    #[sql_name = "directory.leave"]
    fn leave_tenant() -> diesel::sql_types::Nullable<diesel::sql_types::Uuid>;

    /// The door by which members hold what they are about to change of themselves; see the
    /// migration `conditional_writes`.
    #[sql_name = "directory.hold_own_membership"]
    fn hold_own_membership() -> diesel::sql_types::Nullable<diesel::sql_types::Uuid>;

    /// The door that asks whether the caller has signed in lately; see the migration `mfa`.
    #[sql_name = "directory.require_recent_sign_in"]
    fn recent_sign_in(max_age_seconds: diesel::sql_types::Integer) -> diesel::sql_types::Bool;
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

/// At most `limit` members, newest first, those after `after` when it is given.
///
/// # Errors
/// [`Error::Database`].
pub fn list(
    conn: &mut TenantConn<'_>,
    after: Option<MembershipId>,
    limit: i64,
) -> Result<Vec<Membership>, Error> {
    let mut query = with_role_names()
        .filter(memberships::tenant_id.eq(conn.tenant()))
        .filter(memberships::removed_at.is_null())
        .order(memberships::id.desc())
        .limit(limit)
        .select((Row::as_select(), roles::name.nullable()))
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(memberships::id.lt(after.uuid()));
    }
    query
        .load::<(Row, Option<String>)>(conn)?
        .into_iter()
        .map(|(row, role_name)| row.read(role_name))
        .collect()
}

/// Members, each beside the custom role that it has.
#[diesel::dsl::auto_type(no_type_alias)]
fn with_role_names() -> _ {
    memberships::table.left_join(
        roles::table.on(roles::tenant_id
            .eq(memberships::tenant_id)
            .and(roles::id.nullable().eq(memberships::custom_role_id))),
    )
}

/// One member.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has none with this id.
pub fn find(conn: &mut TenantConn<'_>, id: MembershipId) -> Result<Membership, Error> {
    let (row, role_name): (Row, Option<String>) = with_role_names()
        .filter(memberships::tenant_id.eq(conn.tenant()))
        .filter(memberships::id.eq(id.uuid()))
        .filter(memberships::removed_at.is_null())
        .select((Row::as_select(), roles::name.nullable()))
        .first(conn)?;
    row.read(role_name)
}

/// What a member has been granted, its row locked until the transaction ends.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has none with this id.
pub fn lock_role(conn: &mut TenantConn<'_>, id: MembershipId) -> Result<GrantedRole, Error> {
    let (base, custom): (String, Option<Uuid>) = memberships::table
        .find((conn.tenant(), id.uuid()))
        .filter(memberships::removed_at.is_null())
        .select((memberships::role, memberships::custom_role_id))
        .for_no_key_update()
        .first(conn)?;
    Ok(GrantedRole {
        base: base.parse().map_err(unknown_word)?,
        custom: custom.map(RoleId::from_uuid),
    })
}

/// One member, its row locked until the transaction ends. For a caller below admin nobody is there.
///
/// # Errors
/// As [`find`].
pub fn lock(conn: &mut TenantConn<'_>, id: MembershipId) -> Result<Membership, Error> {
    lock_role(conn, id)?;
    find(conn, id)
}

/// The caller's own membership, whatever their role, locked as [`lock`] does.
///
/// # Errors
/// [`Error::NotFound`] when the caller is no user of the tenant.
pub fn lock_own(conn: &mut TenantConn<'_>) -> Result<Membership, Error> {
    let id: Option<Uuid> = diesel::select(hold_own_membership()).get_result(conn)?;
    find(conn, id.ok_or(Error::NotFound)?.into())
}

/// A managed account of this tenant with a membership in `role`. The database refuses a caller
/// below admin, and a role above the caller's.
///
/// # Errors
/// [`Error::EmailTaken`] when the tenant has a member with this address.
pub fn insert_managed(
    conn: &mut TenantConn<'_>,
    room: &mut Room,
    email: &Email,
    full_name: &FullName,
    password_hash: &PasswordHash,
    role: GrantedRole,
) -> Result<Membership, Error> {
    room.take(Growth::Member);
    let id: Uuid = diesel::select(create_managed_account(
        email.as_str(),
        full_name.as_str(),
        password_hash.as_str(),
    ))
    .get_result(conn)?;
    let row: Row = diesel::update(memberships::table.find((conn.tenant(), id)))
        .set((
            memberships::role.eq(role.base.as_str()),
            memberships::custom_role_id.eq(role.custom.map(RoleId::uuid)),
        ))
        .returning(Row::as_returning())
        .get_result(conn)?;
    with_role_name(conn, row)
}

/// Changes a member; without changes, it is left as it is. The database refuses a caller below
/// admin, and a role above the caller's, be it the old or the new one.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::LastOwner`].
pub fn update(
    conn: &mut TenantConn<'_>,
    id: MembershipId,
    changes: &MembershipChanges,
) -> Result<Membership, Error> {
    if changes.is_empty() {
        return find(conn, id);
    }
    let row: Row = diesel::update(memberships::table.find((conn.tenant(), id.uuid())))
        .filter(memberships::removed_at.is_null())
        .set((
            Changes {
                full_name: changes.full_name.as_ref().map(|name| name.as_str()),
                role: changes.role.map(|role| role.base.as_str()),
                custom_role_id: changes.role.map(|role| role.custom.map(RoleId::uuid)),
                status: changes.status.map(MembershipStatus::as_str),
            },
            memberships::updated_at.eq(diesel::dsl::now),
        ))
        .returning(Row::as_returning())
        .get_result(conn)?;
    with_role_name(conn, row)
}

/// Changes the caller's own name in the tenant, whatever their role.
///
/// # Errors
/// [`Error::NotFound`] when the caller is no user of the tenant.
pub fn update_own_name(conn: &mut TenantConn<'_>, name: &FullName) -> Result<Membership, Error> {
    let id: Option<Uuid> = diesel::select(set_own_name(name.as_str())).get_result(conn)?;
    find(conn, id.ok_or(Error::NotFound)?.into())
}

/// Takes a member out of the tenant. The row stays, for what the member owns and made; the
/// address is free again. The database refuses as [`update`] says.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::LastOwner`].
pub fn delete(conn: &mut TenantConn<'_>, id: MembershipId) -> Result<(), Error> {
    let removed = diesel::update(memberships::table.find((conn.tenant(), id.uuid())))
        .filter(memberships::removed_at.is_null())
        .set((
            memberships::removed_at.eq(diesel::dsl::now),
            memberships::updated_at.eq(diesel::dsl::now),
        ))
        .execute(conn)?;
    (removed == 1).then_some(()).ok_or(Error::NotFound)
}

/// Takes the caller out of the tenant, whatever their role.
///
/// # Errors
/// [`Error::NotFound`] when the caller is no user of the tenant; [`Error::LastOwner`].
pub fn leave(conn: &mut TenantConn<'_>) -> Result<(), Error> {
    let id: Option<Uuid> = diesel::select(leave_tenant()).get_result(conn)?;
    id.map(drop).ok_or(Error::NotFound)
}

/// Whoever acts must have proved who they are at most this long ago.
///
/// # Errors
/// [`Error::StepUpRequired`].
pub fn require_recent_sign_in(
    conn: &mut TenantConn<'_>,
    max_age_seconds: i32,
) -> Result<(), Error> {
    let asked: Result<bool, _> = diesel::select(recent_sign_in(max_age_seconds)).get_result(conn);
    match asked.map_err(Error::from) {
        Ok(true) => Ok(()),
        Ok(false) | Err(Error::StepUpRequired { .. }) => {
            Err(Error::StepUpRequired { max_age_seconds })
        }
        Err(error) => Err(error),
    }
}

/// Makes another member the owner, and the caller, who must be one, an admin. Of several at once
/// each sees what the one before has left.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has no such member; [`Error::Conflict`] when that is the
/// caller, or not active; [`tenant_db::Error::Stale`] when the caller is no owner any more.
pub fn transfer_ownership(
    conn: &mut TenantConn<'_>,
    caller: AccountId,
    to: MembershipId,
) -> Result<(), Error> {
    // Both at once and in the order of their ids: two who hand over to each other never wait in a
    // circle.
    let rows: Vec<Row> = memberships::table
        .filter(memberships::tenant_id.eq(conn.tenant()))
        .filter(memberships::removed_at.is_null())
        .filter(
            memberships::id
                .eq(to.uuid())
                .or(memberships::account_id.eq(caller.uuid()).assume_not_null()),
        )
        .order(memberships::id.asc())
        .select(Row::as_select())
        .for_update()
        .load(conn)?;
    let rows = rows
        .into_iter()
        .map(|row| with_role_name(conn, row))
        .collect::<Result<Vec<_>, _>>()?;
    let own = rows.iter().find(|row| row.account_id == Some(caller));
    let own = own.filter(|own| own.is_active() && own.role == Role::Owner);
    let own = own.ok_or(Error::Database(tenant_db::Error::Stale))?;
    let target = rows.iter().find(|row| row.id == to);
    let target = target.ok_or(Error::NotFound)?;
    if target.id == own.id || !target.is_active() {
        return Err(Error::Conflict);
    }
    for (id, role) in [(target.id, Role::Owner), (own.id, Role::Admin)] {
        let changes = MembershipChanges {
            role: Some(role.into()),
            ..MembershipChanges::default()
        };
        update(conn, id, &changes)?;
    }
    Ok(())
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
    custom_role_id: Option<Uuid>,
    status: String,
    role_version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl Row {
    fn read(self, role_name: Option<String>) -> Result<Membership, Error> {
        let custom_role = role_name.map(CustomRoleName::try_from).transpose();
        Ok(Membership {
            id: self.id.into(),
            tenant_id: self.tenant_id.into(),
            account_id: self.account_id.map(Into::into),
            email: self.email,
            full_name: self.full_name,
            role: self.role.parse().map_err(unknown_word)?,
            custom_role: custom_role.map_err(Error::unreadable)?,
            status: self.status.parse().map_err(unknown_word)?,
            role_version: self.role_version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// A row that was just written, which cannot be joined with its role.
fn with_role_name(conn: &mut TenantConn<'_>, row: Row) -> Result<Membership, Error> {
    let role_name = match row.custom_role_id {
        Some(id) => Some(
            roles::table
                .find((conn.tenant(), id))
                .select(roles::name)
                .first(conn)?,
        ),
        None => None,
    };
    row.read(role_name)
}

#[derive(AsChangeset)]
#[diesel(table_name = memberships)]
struct Changes<'a> {
    full_name: Option<&'a str>,
    role: Option<&'a str>,
    custom_role_id: Option<Option<Uuid>>,
    status: Option<&'a str>,
}

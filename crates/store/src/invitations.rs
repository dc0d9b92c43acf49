//! Invitations, inside one tenant. How one is accepted is `identity/invitation.rs`.

use auth::MailTokenHash;
use chrono::{DateTime, Utc};
use diesel::declare_sql_function;
use diesel::prelude::*;
use domain::{
    Email, FullName, GrantedRole, Invitation, InvitationId, InvitationStatus, MembershipId, RoleId,
};
use tenant_db::TenantConn;
use uuid::Uuid;

use crate::error::{Error, unknown_word};
use crate::plan_limits::{Growth, Room};
use crate::schema::{invitations, memberships, roles};

#[declare_sql_function]
extern "SQL" {
    /// The door that keeps a place for an address; see the migration `invitations`.
    #[sql_name = "directory.invite"]
    fn invite(
        email: diesel::sql_types::Text,
        full_name: diesel::sql_types::Text,
        expires_at: diesel::sql_types::Timestamptz,
    ) -> diesel::sql_types::Uuid;

    /// The door by which the job that mails a link says what it hashes to.
    #[sql_name = "directory.issue_invitation"]
    fn issue_invitation(
        invitation: diesel::sql_types::Uuid,
        issue: diesel::sql_types::Integer,
        hash: diesel::sql_types::Binary,
    ) -> diesel::sql_types::Bool;
}

/// At most `limit` invitations, whatever has become of them, newest first, those after `after`
/// when it is given.
///
/// # Errors
/// [`Error::Database`].
pub fn list(
    conn: &mut TenantConn<'_>,
    after: Option<InvitationId>,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<Vec<Invitation>, Error> {
    let mut query = with_places()
        .filter(invitations::tenant_id.eq(conn.tenant()))
        .order(invitations::id.desc())
        .limit(limit)
        .select((Row::as_select(), Place::as_select(), roles::name.nullable()))
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(invitations::id.lt(after.uuid()));
    }
    query
        .load::<(Row, Place, Option<String>)>(conn)?
        .into_iter()
        .map(|(row, place, role)| row.read(place, role, now))
        .collect()
}

/// One invitation.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has none with this id.
pub fn find(
    conn: &mut TenantConn<'_>,
    id: InvitationId,
    now: DateTime<Utc>,
) -> Result<Invitation, Error> {
    let (row, place, role): (Row, Place, Option<String>) = with_places()
        .filter(invitations::tenant_id.eq(conn.tenant()))
        .filter(invitations::id.eq(id.uuid()))
        .select((Row::as_select(), Place::as_select(), roles::name.nullable()))
        .first(conn)?;
    row.read(place, role, now)
}

/// Keeps a place in `role` for whoever has this address, until `expires_at`. The database refuses
/// a caller below admin, and a role above the caller's.
///
/// # Errors
/// [`Error::EmailTaken`] when the tenant has a member, or a place, with this address.
pub fn insert(
    conn: &mut TenantConn<'_>,
    room: &mut Room,
    email: &Email,
    full_name: &FullName,
    role: GrantedRole,
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Invitation, Error> {
    room.take(Growth::Member);
    let id: Uuid =
        diesel::select(invite(email.as_str(), full_name.as_str(), expires_at)).get_result(conn)?;
    let place = invitations::table
        .find((conn.tenant(), id))
        .select(invitations::membership_id)
        .first::<Uuid>(conn)?;
    diesel::update(memberships::table.find((conn.tenant(), place)))
        .set((
            memberships::role.eq(role.base.as_str()),
            memberships::custom_role_id.eq(role.custom.map(RoleId::uuid)),
        ))
        .execute(conn)?;
    find(conn, id.into(), now)
}

/// A new link, good until `expires_at`, in the place of the one before.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::NotPending`] when it was accepted or revoked.
pub fn renew(
    conn: &mut TenantConn<'_>,
    room: &mut Room,
    id: InvitationId,
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Invitation, Error> {
    let before = lock_waiting(conn, id, now)?;
    // One that ended by itself has given its place away.
    if before.status == InvitationStatus::Expired {
        room.take(Growth::Member);
    }
    diesel::update(invitations::table.find((conn.tenant(), id.uuid())))
        .set((
            invitations::issue.eq(invitations::issue + 1),
            invitations::expires_at.eq(expires_at),
        ))
        .execute(conn)?;
    find(conn, id, now)
}

/// Says what the link hashes to that is about to be mailed; `false`: there is nothing to mail any
/// more. For a job.
///
/// # Errors
/// [`Error::Database`].
pub fn issue(
    conn: &mut TenantConn<'_>,
    id: InvitationId,
    issue: i32,
    hash: MailTokenHash,
) -> Result<bool, Error> {
    let hash = hash.as_bytes().as_slice();
    Ok(diesel::select(issue_invitation(id.uuid(), issue, hash)).get_result(conn)?)
}

/// An invitation that nobody has accepted or revoked, nor will until the transaction ends. Who
/// removes its place revokes it.
///
/// # Errors
/// As [`renew`].
pub fn lock_waiting(
    conn: &mut TenantConn<'_>,
    id: InvitationId,
    now: DateTime<Utc>,
) -> Result<Invitation, Error> {
    let _: Uuid = invitations::table
        .find((conn.tenant(), id.uuid()))
        .select(invitations::id)
        .for_no_key_update()
        .first(conn)?;
    let invitation = find(conn, id, now)?;
    match invitation.status {
        InvitationStatus::Pending | InvitationStatus::Expired => Ok(invitation),
        InvitationStatus::Accepted | InvitationStatus::Revoked => Err(Error::NotPending),
    }
}

/// Invitations, each beside its place and the custom role that goes with it.
#[diesel::dsl::auto_type(no_type_alias)]
fn with_places() -> _ {
    invitations::table
        .inner_join(
            memberships::table.on(memberships::tenant_id
                .eq(invitations::tenant_id)
                .and(memberships::id.eq(invitations::membership_id))),
        )
        .left_join(
            roles::table.on(roles::tenant_id
                .eq(memberships::tenant_id)
                .and(roles::id.nullable().eq(memberships::custom_role_id))),
        )
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = invitations, check_for_backend(diesel::pg::Pg))]
struct Row {
    id: Uuid,
    membership_id: Uuid,
    issue: i32,
    expires_at: DateTime<Utc>,
    accepted_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = memberships, check_for_backend(diesel::pg::Pg))]
struct Place {
    email: String,
    role: String,
    removed_at: Option<DateTime<Utc>>,
}

impl Row {
    fn read(
        self,
        place: Place,
        custom_role: Option<String>,
        now: DateTime<Utc>,
    ) -> Result<Invitation, Error> {
        let status = if self.accepted_at.is_some() {
            InvitationStatus::Accepted
        } else if place.removed_at.is_some() {
            InvitationStatus::Revoked
        } else if self.expires_at <= now {
            InvitationStatus::Expired
        } else {
            InvitationStatus::Pending
        };
        Ok(Invitation {
            id: self.id.into(),
            membership_id: MembershipId::from_uuid(self.membership_id),
            issue: self.issue,
            email: place.email,
            role: place.role.parse().map_err(unknown_word)?,
            custom_role,
            status,
            expires_at: self.expires_at,
            created_at: self.created_at,
        })
    }
}

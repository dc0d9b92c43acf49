//! Sessions, reached by `rowhouse_auth` only.
//!
//! Whatever changes a session, or uses its refresh tokens, locks its row first; whoever needs
//! several locks them in the order of their ids, all at once. So nobody waits in a circle.

use std::net::IpAddr;

use auth::RefreshTokenHash;
use chrono::{DateTime, Utc};
use diesel::dsl::{exists, not};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use domain::{AccountId, Session, SessionId, TenantId};
use ipnet::IpNet;
use uuid::Uuid;

use crate::error::Error;
use crate::refresh_tokens::{self as tokens, NewRefreshToken};
use crate::schema::{refresh_tokens, sessions};

/// What a new session begins with.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// What the client calls itself, at most 400 characters of it.
    pub device: Option<String>,
    /// Where it came from.
    pub address: Option<IpAddr>,
    /// The first refresh token.
    pub refresh: NewRefreshToken,
}

/// A session whose row is locked until the transaction ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Locked {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub account: AccountId,
    /// Where it stands.
    pub tenant: Option<TenantId>,
    /// Whether it was not revoked.
    pub is_live: bool,
}

/// Opens a session that stands in `tenant`, or in none.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn insert(
    conn: &mut PgConnection,
    account: AccountId,
    tenant: Option<TenantId>,
    new: &NewSession,
) -> Result<SessionId, Error> {
    let id = SessionId::generate();
    let device: Option<String> = new
        .device
        .as_ref()
        .map(|device| device.chars().take(400).collect());
    diesel::insert_into(sessions::table)
        .values((
            sessions::id.eq(id.uuid()),
            sessions::account_id.eq(account.uuid()),
            sessions::tenant_id.eq(tenant.map(TenantId::uuid)),
            sessions::device.eq(device),
            sessions::address.eq(new.address.map(IpNet::from)),
        ))
        .execute(conn)?;
    tokens::insert(conn, id, new.refresh)?;
    Ok(id)
}

/// At most `limit` of the account's sessions that are neither revoked nor expired, newest first,
/// those after `after` when it is given.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn list(
    conn: &mut PgConnection,
    account: AccountId,
    after: Option<SessionId>,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<Vec<Session>, Error> {
    let can_be_refreshed = refresh_tokens::table
        .filter(refresh_tokens::session_id.eq(sessions::id))
        .filter(refresh_tokens::expires_at.gt(now));
    Ok(sessions::table
        .filter(sessions::account_id.eq(account.uuid()))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::id.lt(after.map_or(Uuid::max(), SessionId::uuid)))
        .filter(exists(can_be_refreshed))
        .order(sessions::id.desc())
        .limit(limit)
        .select(Row::as_select())
        .load(conn)?
        .into_iter()
        .map(Into::into)
        .collect())
}

/// The tenant in which a live session of this account stands, `None` when in none.
///
/// # Errors
/// [`tenant_db::Error::SessionRevoked`] when the account has no such live session.
pub(crate) fn find_tenant(
    conn: &mut PgConnection,
    id: SessionId,
    account: AccountId,
) -> Result<Option<TenantId>, Error> {
    let tenant: Option<Option<Uuid>> = sessions::table
        .find(id.uuid())
        .filter(sessions::account_id.eq(account.uuid()))
        .filter(sessions::revoked_at.is_null())
        .select(sessions::tenant_id)
        .first(conn)
        .optional()?;
    match tenant {
        Some(tenant) => Ok(tenant.map(Into::into)),
        None => Err(Error::session_revoked()),
    }
}

/// The session that a refresh token was handed out for, revoked or not.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn lock_by_refresh_token(
    conn: &mut PgConnection,
    hash: RefreshTokenHash,
) -> Result<Option<Locked>, Error> {
    let of_token = refresh_tokens::table
        .find(hash.as_bytes().as_slice())
        .select(refresh_tokens::session_id);
    Ok(sessions::table
        .filter(sessions::id.eq_any(of_token))
        .select(LockedRow::as_select())
        .for_no_key_update()
        .first(conn)
        .optional()?
        .map(Into::into))
}

/// Whose session a refresh token was handed out for. Locks nothing.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn find_by_refresh_token(
    conn: &mut PgConnection,
    hash: RefreshTokenHash,
) -> Result<Option<(SessionId, AccountId)>, Error> {
    let found: Option<(Uuid, Uuid)> = refresh_tokens::table
        .inner_join(sessions::table)
        .filter(refresh_tokens::hash.eq(hash.as_bytes().as_slice()))
        .select((sessions::id, sessions::account_id))
        .first(conn)
        .optional()?;
    Ok(found.map(|(session, account)| (session.into(), account.into())))
}

/// Whose session it is, and the tenant in which it stands.
///
/// # Errors
/// [`Error::NotFound`].
pub(crate) fn place(
    conn: &mut PgConnection,
    id: SessionId,
) -> Result<(AccountId, Option<TenantId>), Error> {
    let (account, tenant): (Uuid, Option<Uuid>) = sessions::table
        .find(id.uuid())
        .select((sessions::account_id, sessions::tenant_id))
        .first(conn)?;
    Ok((account.into(), tenant.map(Into::into)))
}

/// A live session of this account.
///
/// # Errors
/// [`tenant_db::Error::SessionRevoked`] when the account has no such live session.
pub(crate) fn lock(
    conn: &mut PgConnection,
    id: SessionId,
    account: AccountId,
) -> Result<Locked, Error> {
    let found: Option<LockedRow> = sessions::table
        .find(id.uuid())
        .filter(sessions::account_id.eq(account.uuid()))
        .filter(sessions::revoked_at.is_null())
        .select(LockedRow::as_select())
        .for_no_key_update()
        .first(conn)
        .optional()?;
    found.map(Into::into).ok_or_else(Error::session_revoked)
}

/// Every live session of this account.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn lock_all(
    conn: &mut PgConnection,
    account: AccountId,
) -> Result<Vec<SessionId>, Error> {
    let ids: Vec<Uuid> = sessions::table
        .filter(sessions::account_id.eq(account.uuid()))
        .filter(sessions::revoked_at.is_null())
        .order(sessions::id.asc())
        .select(sessions::id)
        .for_no_key_update()
        .load(conn)?;
    Ok(ids.into_iter().map(Into::into).collect())
}

/// Notes that the session was given a token, and where it was asked from.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn touch(conn: &mut PgConnection, id: SessionId, address: IpAddr) -> Result<(), Error> {
    diesel::update(sessions::table.find(id.uuid()))
        .set((
            sessions::address.eq(Some(IpNet::from(address))),
            sessions::last_used_at.eq(diesel::dsl::now),
        ))
        .execute(conn)?;
    Ok(())
}

/// Notes that whoever holds the session has just proved who they are.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn authenticate(conn: &mut PgConnection, id: SessionId) -> Result<(), Error> {
    diesel::update(sessions::table.find(id.uuid()))
        .set(sessions::authenticated_at.eq(diesel::dsl::now))
        .execute(conn)?;
    Ok(())
}

/// Makes the account's other sessions prove once more who holds them, where that matters.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn age_others(
    conn: &mut PgConnection,
    account: AccountId,
    id: SessionId,
) -> Result<(), Error> {
    let others = lock_all(conn, account)?;
    let others = others.into_iter().filter(|other| *other != id);
    let others: Vec<Uuid> = others.map(Into::into).collect();
    diesel::update(sessions::table)
        .filter(sessions::id.eq_any(others))
        .set(sessions::authenticated_at.eq(DateTime::<Utc>::UNIX_EPOCH))
        .execute(conn)?;
    Ok(())
}

/// Whoever holds the session must have proved who they are at most this long ago.
///
/// # Errors
/// [`Error::StepUpRequired`].
pub(crate) fn require_recent_sign_in(
    conn: &mut PgConnection,
    id: SessionId,
    max_age_seconds: i32,
) -> Result<(), Error> {
    let is_recent = diesel::sql_query(
        "SELECT id FROM sessions
         WHERE id = $1 AND authenticated_at >= now() - make_interval(secs => $2)",
    )
    .bind::<diesel::sql_types::Uuid, _>(id.uuid())
    .bind::<diesel::sql_types::Integer, _>(max_age_seconds)
    .execute(conn)?;
    match is_recent {
        0 => Err(Error::StepUpRequired { max_age_seconds }),
        _ => Ok(()),
    }
}

/// Makes the session stand in `tenant`, or in none: tokens of the tenant left are stale.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn move_to(
    conn: &mut PgConnection,
    id: SessionId,
    tenant: Option<TenantId>,
) -> Result<(), Error> {
    diesel::update(sessions::table.find(id.uuid()))
        .set(sessions::tenant_id.eq(tenant.map(TenantId::uuid)))
        .execute(conn)?;
    Ok(())
}

/// Ends these sessions: none of their tokens is good for anything any more.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn revoke(
    conn: &mut PgConnection,
    ids: impl IntoIterator<Item = SessionId>,
) -> Result<(), Error> {
    let ids: Vec<Uuid> = ids.into_iter().map(Into::into).collect();
    diesel::update(sessions::table)
        .filter(sessions::id.eq_any(ids))
        .set(sessions::revoked_at.eq(diesel::dsl::now))
        .execute(conn)?;
    Ok(())
}

/// Forgets at most `most` sessions that ended before this time: revoked, or not used since and
/// without a refresh token. Returns how many.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn purge(
    conn: &mut PgConnection,
    ended_before: DateTime<Utc>,
    most: i64,
) -> Result<usize, Error> {
    let tokens = refresh_tokens::table.filter(refresh_tokens::session_id.eq(sessions::id));
    let was_revoked = sessions::revoked_at.lt(ended_before).assume_not_null();
    let has_expired = sessions::last_used_at
        .lt(ended_before)
        .and(not(exists(tokens)));
    // What somebody else holds is left for the next time: nobody waits here.
    let ended: Vec<Uuid> = sessions::table
        .filter(was_revoked.or(has_expired))
        .select(sessions::id)
        .limit(most)
        .for_update()
        .skip_locked()
        .load(conn)?;
    Ok(diesel::delete(sessions::table)
        .filter(sessions::id.eq_any(ended))
        .execute(conn)?)
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions, check_for_backend(diesel::pg::Pg))]
struct Row {
    id: Uuid,
    device: Option<String>,
    address: Option<IpNet>,
    created_at: DateTime<Utc>,
    last_used_at: DateTime<Utc>,
}

impl From<Row> for Session {
    fn from(row: Row) -> Self {
        Self {
            id: row.id.into(),
            device: row.device,
            address: row.address.map(|network| network.addr()),
            created_at: row.created_at,
            last_used_at: row.last_used_at,
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions, check_for_backend(diesel::pg::Pg))]
struct LockedRow {
    id: Uuid,
    account_id: Uuid,
    tenant_id: Option<Uuid>,
    revoked_at: Option<DateTime<Utc>>,
}

impl From<LockedRow> for Locked {
    fn from(row: LockedRow) -> Self {
        Self {
            id: row.id.into(),
            account: row.account_id.into(),
            tenant: row.tenant_id.map(Into::into),
            is_live: row.revoked_at.is_none(),
        }
    }
}

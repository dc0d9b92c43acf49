//! Refresh tokens, as hashes, reached by `rowhouse_auth` only. Whoever calls these holds the lock
//! on their session, except to [`insert`] the first one, and to [`purge`].

use auth::{RefreshTokenHash, StoredRefreshToken};
use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use domain::SessionId;

use crate::error::Error;
use crate::schema::refresh_tokens;

/// A token to hand out: what is kept of it.
#[derive(Debug, Clone, Copy)]
pub struct NewRefreshToken {
    /// Its hash.
    pub hash: RefreshTokenHash,
    /// From when on it is worth nothing.
    pub expires_at: DateTime<Utc>,
}

/// A token that was not used yet.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn insert(
    conn: &mut PgConnection,
    session: SessionId,
    new: NewRefreshToken,
) -> Result<(), Error> {
    diesel::insert_into(refresh_tokens::table)
        .values((
            refresh_tokens::hash.eq(new.hash.as_bytes().as_slice()),
            refresh_tokens::session_id.eq(session.uuid()),
            refresh_tokens::expires_at.eq(new.expires_at),
        ))
        .execute(conn)?;
    Ok(())
}

/// The token with this hash, if it was ever handed out.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn find_by_hash(
    conn: &mut PgConnection,
    hash: RefreshTokenHash,
) -> Result<Option<StoredRefreshToken>, Error> {
    let found = refresh_tokens::table
        .find(hash.as_bytes().as_slice())
        .select((refresh_tokens::expires_at, refresh_tokens::used_at))
        .first(conn)
        .optional()?;
    Ok(found.map(|(expires_at, used_at)| StoredRefreshToken {
        expires_at,
        used_at,
    }))
}

/// Uses up every token of the session that was not used yet.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn use_up(
    conn: &mut PgConnection,
    session: SessionId,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    diesel::update(refresh_tokens::table)
        .filter(refresh_tokens::session_id.eq(session.uuid()))
        .filter(refresh_tokens::used_at.is_null())
        .set(refresh_tokens::used_at.eq(now))
        .execute(conn)?;
    Ok(())
}

/// Forgets at most `most` tokens that have expired. One that was used is kept until then: whoever
/// presents it again must be found out. Returns how many.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn purge(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    most: i64,
) -> Result<usize, Error> {
    let expired: Vec<Vec<u8>> = refresh_tokens::table
        .filter(refresh_tokens::expires_at.le(now))
        .select(refresh_tokens::hash)
        .limit(most)
        .for_update()
        .skip_locked()
        .load(conn)?;
    Ok(diesel::delete(refresh_tokens::table)
        .filter(refresh_tokens::hash.eq_any(expired))
        .execute(conn)?)
}

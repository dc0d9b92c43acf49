//! Sessions and their refresh tokens, reached by `rowhouse_auth` only.

use std::net::IpAddr;

use auth::RefreshTokenHash;
use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use domain::{AccountId, SessionId, TenantId};
use ipnet::IpNet;
use uuid::Uuid;

use crate::error::Error;
use crate::schema::{refresh_tokens, sessions};

/// What a new session begins with.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// What the client calls itself, at most 400 characters of it.
    pub device: Option<String>,
    /// Where it came from.
    pub address: Option<IpAddr>,
    /// The first refresh token's hash.
    pub refresh_hash: RefreshTokenHash,
    /// When that token ends.
    pub refresh_expires_at: DateTime<Utc>,
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
    diesel::insert_into(refresh_tokens::table)
        .values((
            refresh_tokens::hash.eq(new.refresh_hash.as_bytes().as_slice()),
            refresh_tokens::session_id.eq(id.uuid()),
            refresh_tokens::expires_at.eq(new.refresh_expires_at),
        ))
        .execute(conn)?;
    Ok(id)
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
        None => Err(Error::Database(tenant_db::Error::SessionRevoked)),
    }
}

//! How a session goes on, moves and ends: refresh, switch, logout.

use std::net::IpAddr;

use auth::{Presentation, RefreshTokenHash};
use chrono::{DateTime, Utc};
use diesel::PgConnection;
use domain::{AccountId, MembershipStatus, SessionId, TenantId, TenantMembership};

use super::tenant_end::closed;
use super::{IdentityDb, SignedIn, membership_in};
use crate::error::Error;
use crate::refresh_tokens::{self, NewRefreshToken};
use crate::sessions::Locked;
use crate::{accounts, directory, sessions};

/// Where a session is to stand.
#[derive(Debug, Clone)]
pub enum Goal {
    /// In the tenant with this slug.
    Slug(String),
    /// In the tenant with this id.
    Id(TenantId),
}

/// By what somebody proves that a session is theirs to end.
#[derive(Debug, Clone, Copy)]
pub enum Proof {
    /// A valid access token, which names both.
    AccessToken(AccountId, SessionId),
    /// A refresh token.
    RefreshToken(RefreshTokenHash),
}

/// Which sessions end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The one that was proved.
    This,
    /// Every session of its account.
    All,
}

/// What is committed, although it may be an error that is answered.
type Committed<T> = Result<T, Error>;

impl IdentityDb {
    /// Uses up a refresh token for its `child`, or answers with the same child once more within
    /// the time of grace. The session then stands where it stood, if its account may still come
    /// in there, else in no tenant.
    ///
    /// # Errors
    /// [`Error::InvalidRefreshToken`] for a token that is unknown or expired, or that a
    /// [`switch`](Self::switch) has just replaced; [`tenant_db::Error::SessionRevoked`] when the
    /// session has ended; [`Error::RefreshReused`] when it ends here, because the token was used
    /// before.
    pub async fn refresh(
        &self,
        presented: RefreshTokenHash,
        child: NewRefreshToken,
        address: IpAddr,
        now: DateTime<Utc>,
    ) -> Result<SignedIn, Error> {
        self.db
            .run(move |conn| {
                let session = sessions::lock_by_refresh_token(conn, presented)?
                    .ok_or(Error::InvalidRefreshToken)?;
                if !session.is_live {
                    return Err(Error::session_revoked());
                }
                match present(conn, presented, now)? {
                    Presentation::First => {
                        refresh_tokens::use_up(conn, session.id, now)?;
                        refresh_tokens::insert(conn, session.id, child)?;
                    }
                    Presentation::Repeated => {
                        // A token that a switch replaced has no child.
                        refresh_tokens::find_by_hash(conn, child.hash)?
                            .ok_or(Error::InvalidRefreshToken)?;
                    }
                    Presentation::Reused => return revoke_family(conn, session.id),
                    Presentation::Expired => return Err(Error::InvalidRefreshToken),
                }
                sessions::touch(conn, session.id, address)?;
                Ok(Ok(SignedIn {
                    account: accounts::find(conn, session.account)?,
                    session: session.id,
                    tenant: standing(conn, session)?,
                }))
            })
            .await?
    }

    /// Makes a session stand in another tenant of its account; `refresh` replaces its refresh
    /// token. Only that the session lives is asked, not where it stood.
    ///
    /// # Errors
    /// [`tenant_db::Error::SessionRevoked`]; [`tenant_db::Error::NotAMember`] for a tenant that
    /// does not exist and one that the account has no active membership of;
    /// [`tenant_db::Error::TenantSuspended`] or [`tenant_db::Error::TenantDeleting`] for one that
    /// it has.
    pub async fn switch(
        &self,
        account: AccountId,
        session: SessionId,
        goal: Goal,
        refresh: NewRefreshToken,
        address: IpAddr,
        now: DateTime<Utc>,
    ) -> Result<SignedIn, Error> {
        self.db
            .run(move |conn| {
                let session = sessions::lock(conn, session, account)?;
                let tenant = reach(conn, account, &goal)?;
                sessions::move_to(conn, session.id, Some(tenant.tenant_id))?;
                sessions::touch(conn, session.id, address)?;
                refresh_tokens::use_up(conn, session.id, now)?;
                refresh_tokens::insert(conn, session.id, refresh)?;
                Ok(SignedIn {
                    account: accounts::find(conn, account)?,
                    session: session.id,
                    tenant: Some(tenant),
                })
            })
            .await
    }

    /// Ends a session, or every session of its account.
    ///
    /// # Errors
    /// [`tenant_db::Error::SessionRevoked`] when it has ended already; those of
    /// [`refresh`](Self::refresh) for a refresh token that would not refresh.
    pub async fn log_out(
        &self,
        proof: Proof,
        ended: Ended,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        self.db
            .run(move |conn| {
                let (session, account) = match proof {
                    Proof::AccessToken(account, session) => (session, account),
                    Proof::RefreshToken(hash) => sessions::find_by_refresh_token(conn, hash)?
                        .ok_or(Error::InvalidRefreshToken)?,
                };
                let live = sessions::lock_all(conn, account)?;
                if !live.contains(&session) {
                    return Err(Error::session_revoked());
                }
                if let Proof::RefreshToken(hash) = proof {
                    match present(conn, hash, now)? {
                        Presentation::First | Presentation::Repeated => {}
                        Presentation::Reused => return revoke_family(conn, session),
                        Presentation::Expired => return Err(Error::InvalidRefreshToken),
                    }
                }
                match ended {
                    Ended::This => sessions::revoke(conn, [session])?,
                    Ended::All => sessions::revoke(conn, live)?,
                }
                Ok(Ok(()))
            })
            .await?
    }
}

/// What it means that this token is presented now. Its session is locked.
fn present(
    conn: &mut PgConnection,
    hash: RefreshTokenHash,
    now: DateTime<Utc>,
) -> Result<Presentation, Error> {
    let stored = refresh_tokens::find_by_hash(conn, hash)?.ok_or(Error::InvalidRefreshToken)?;
    Ok(stored.presented_at(now))
}

/// Either the client or a thief has an old token, and nobody can tell which: both are out.
fn revoke_family<T>(conn: &mut PgConnection, session: SessionId) -> Result<Committed<T>, Error> {
    let (account, tenant) = sessions::place(conn, session)?;
    sessions::revoke(conn, [session])?;
    log::warn!(
        session_id = session.to_string();
        "a refresh token was presented again long after its use: its session was revoked"
    );
    Ok(Err(Error::RefreshReused { account, tenant }))
}

/// Where the session stands; it is moved to no tenant if its account may not come in any more.
fn standing(conn: &mut PgConnection, session: Locked) -> Result<Option<TenantMembership>, Error> {
    let membership = membership_in(conn, session.account, session.tenant)?;
    let open = membership.filter(TenantMembership::is_open);
    if session.tenant.is_some() && open.is_none() {
        sessions::move_to(conn, session.id, None)?;
    }
    Ok(open)
}

/// The membership by which the account may enter the tenant.
fn reach(
    conn: &mut PgConnection,
    account: AccountId,
    goal: &Goal,
) -> Result<TenantMembership, Error> {
    let is_goal = |membership: &TenantMembership| match goal {
        Goal::Slug(slug) => membership.slug == *slug,
        Goal::Id(id) => membership.tenant_id == *id,
    };
    let found = directory::memberships_of(conn, account)?
        .into_iter()
        .filter(|membership| membership.status == MembershipStatus::Active)
        .find(is_goal)
        .ok_or(Error::Database(tenant_db::Error::NotAMember))?;
    if !found.is_open() {
        return Err(closed(found.tenant_status));
    }
    Ok(found)
}

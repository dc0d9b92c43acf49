//! What somebody who is signed in sees and changes of the own account, in a tenant or in none.

use std::net::IpAddr;

use auth::{PasswordHash, UserPrincipal};
use diesel::PgConnection;
use domain::{
    AccountId, FullName, MembershipStatus, Session, SessionId, Tenant, TenantId, TenantMembership,
    TenantName, TenantSlug,
};

use super::proof::Verified;
use super::{IdentityDb, SignedIn, found_tenant, membership_in};
use crate::error::Error;
use crate::login_failures::{self, Admission, LoginLimit, Subject};
use crate::plan_limits::PlanLimits;
use crate::{accounts, directory, sessions};

/// Whoever presented a valid access token; whether its session still lives, and still stands
/// where the token says, every function here asks first.
///
/// All of them answer [`tenant_db::Error::SessionRevoked`] when the session has ended, and
/// [`tenant_db::Error::Stale`] when it stands in another tenant.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    pub(super) account: AccountId,
    pub(super) session: SessionId,
    pub(super) tenant: Option<TenantId>,
}

/// How a new tenant came by its slug.
#[derive(Debug, Clone)]
pub enum Slug {
    /// Its founder wants this one and no other.
    Chosen(TenantSlug),
    /// Its name suggests it.
    Suggested(TenantSlug),
}

impl From<&UserPrincipal> for Caller {
    fn from(principal: &UserPrincipal) -> Self {
        Self {
            account: principal.account,
            session: principal.session,
            tenant: principal.tenant.as_ref().map(|tenant| tenant.id),
        }
    }
}

impl Caller {
    pub(super) fn check(self, conn: &mut PgConnection) -> Result<(), Error> {
        let standing = sessions::find_tenant(conn, self.session, self.account)?;
        if standing == self.tenant {
            Ok(())
        } else {
            Err(Error::Database(tenant_db::Error::Stale))
        }
    }

    fn find(self, conn: &mut PgConnection) -> Result<SignedIn, Error> {
        Ok(SignedIn {
            account: accounts::find(conn, self.account)?,
            session: self.session,
            tenant: membership_in(conn, self.account, self.tenant)?,
        })
    }

    fn require(
        self,
        conn: &mut PgConnection,
        condition: impl FnOnce(&SignedIn) -> bool,
    ) -> Result<(), Error> {
        condition(&self.find(conn)?)
            .then_some(())
            .ok_or(Error::Outdated)
    }
}

impl IdentityDb {
    /// The account, and the tenant in which the session stands.
    ///
    /// # Errors
    /// Those of [`Caller`].
    pub async fn find_signed_in(&self, caller: Caller) -> Result<SignedIn, Error> {
        self.db
            .run(move |conn| {
                caller.check(conn)?;
                caller.find(conn)
            })
            .await
    }

    /// Changes the account's name, if there is a new one. What its tenants call it is theirs.
    ///
    /// # Errors
    /// Those of [`Caller`]; [`Error::Outdated`] when there is a condition and it does not hold.
    pub async fn rename(
        &self,
        caller: Caller,
        full_name: Option<FullName>,
        condition: Option<impl FnOnce(&SignedIn) -> bool + Send + 'static>,
    ) -> Result<SignedIn, Error> {
        self.db
            .run(move |conn| {
                caller.check(conn)?;
                if let Some(condition) = condition {
                    accounts::lock(conn, caller.account)?;
                    caller.require(conn, condition)?;
                }
                Ok(SignedIn {
                    account: match full_name {
                        Some(full_name) => accounts::rename(conn, caller.account, &full_name)?,
                        None => accounts::find(conn, caller.account)?,
                    },
                    session: caller.session,
                    tenant: membership_in(conn, caller.account, caller.tenant)?,
                })
            })
            .await
    }

    /// Takes a slot to compare the caller's own password, and what that hashes to; `None` when it
    /// has none.
    ///
    /// # Errors
    /// Those of [`Caller`].
    pub async fn find_password(
        &self,
        caller: Caller,
        address: IpAddr,
        limit: LoginLimit,
    ) -> Result<(Admission, Option<PasswordHash>), Error> {
        self.db
            .run(move |conn| {
                caller.check(conn)?;
                let account = accounts::find(conn, caller.account)?;
                let hash = accounts::find_password(conn, caller.account)?;
                let subject = Subject::new(address, &account.email);
                let admission = login_failures::admit(conn, &subject, Some(account.id), limit)?;
                Ok((admission, hash))
            })
            .await
    }

    /// A new password in the place of the verified one; ends every other session.
    ///
    /// # Errors
    /// Those of [`Caller`]; [`Error::WrongPassword`] when it was changed meanwhile.
    pub async fn change_password(
        &self,
        caller: Caller,
        verified: Verified,
        new: PasswordHash,
    ) -> Result<(), Error> {
        self.db
            .run(move |conn| {
                caller.check(conn)?;
                // Before the sessions are looked for: from here on nobody opens another one with
                // the old password.
                accounts::update_password(conn, caller.account, &verified.hash, &new)?;
                let live = sessions::lock_all(conn, caller.account)?;
                if !live.contains(&caller.session) {
                    return Err(Error::session_revoked());
                }
                let others = live.into_iter().filter(|id| *id != caller.session);
                sessions::revoke(conn, others)?;
                login_failures::forget(conn, &verified.attempt, caller.account)
            })
            .await
    }

    /// A new tenant that the account owns. Its slug, where none is given, is what its name
    /// suggests; where that one is taken, with four random characters behind it.
    ///
    /// # Errors
    /// Those of [`Caller`]; [`Error::SlugTaken`]; [`Error::NotAllowed`] for a managed account;
    /// [`Error::TooManyTenants`].
    pub async fn create_tenant(
        &self,
        caller: Caller,
        slug: Slug,
        name: TenantName,
        limits: PlanLimits,
    ) -> Result<Tenant, Error> {
        self.db
            .run(move |conn| {
                caller.check(conn)?;
                if accounts::find(conn, caller.account)?
                    .home_tenant_id
                    .is_some()
                {
                    return Err(Error::NotAllowed);
                }
                let slug = match slug {
                    Slug::Chosen(slug) => slug,
                    Slug::Suggested(slug) => match directory::find_by_slug(conn, &slug)? {
                        Some(_) => slug.with_random_end(),
                        None => slug,
                    },
                };
                let tenant = found_tenant(conn, caller.account, &slug, &name, &limits)?;
                directory::tenant_of(conn, caller.account, tenant)
            })
            .await
    }

    /// Ends the account: its memberships, its sessions, its password. What it made in its tenants
    /// stays theirs.
    ///
    /// # Errors
    /// Those of [`Caller`]; [`Error::StepUpRequired`]; [`Error::LastOwner`] while it is the last
    /// owner of some tenant; [`Error::Outdated`] when there is a condition and it does not hold.
    pub async fn delete_account(
        &self,
        caller: Caller,
        max_age_seconds: i32,
        condition: Option<impl FnOnce(&SignedIn) -> bool + Send + 'static>,
    ) -> Result<(), Error> {
        self.db
            .run(move |conn| {
                caller.check(conn)?;
                sessions::require_recent_sign_in(conn, caller.session, max_age_seconds)?;
                // Compared, not held: the account is locked after its memberships, whoever ends it.
                if let Some(condition) = condition {
                    caller.require(conn, condition)?;
                }
                directory::delete_account(conn, caller.account)
            })
            .await
    }

    /// At most `limit` of the account's live sessions, newest first, those after `after` when it
    /// is given.
    ///
    /// # Errors
    /// Those of [`Caller`].
    pub async fn list_sessions(
        &self,
        caller: Caller,
        after: Option<SessionId>,
        limit: i64,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<Vec<Session>, Error> {
        self.db
            .run(move |conn| {
                caller.check(conn)?;
                sessions::list(conn, caller.account, after, limit, now)
            })
            .await
    }

    /// Ends one of the account's sessions, which may be the caller's own.
    ///
    /// # Errors
    /// Those of [`Caller`]; [`Error::NotFound`] when the account has no such live session.
    pub async fn revoke_session(&self, caller: Caller, id: SessionId) -> Result<(), Error> {
        self.db
            .run(move |conn| {
                caller.check(conn)?;
                if !sessions::lock_all(conn, caller.account)?.contains(&id) {
                    return Err(Error::NotFound);
                }
                sessions::revoke(conn, [id])
            })
            .await
    }

    /// The tenants that the account is an active member of.
    ///
    /// # Errors
    /// Those of [`Caller`].
    pub async fn list_tenants(&self, caller: Caller) -> Result<Vec<TenantMembership>, Error> {
        self.db
            .run(move |conn| {
                caller.check(conn)?;
                let mut memberships = directory::memberships_of(conn, caller.account)?;
                memberships.retain(|membership| membership.status == MembershipStatus::Active);
                Ok(memberships)
            })
            .await
    }
}

//! The sign-in door: everything that happens before a tenant is known, on a small pool of its
//! own, as `rowhouse_auth`. That role has no right on any tenant's table.

mod account;
mod api_calls;
mod audit;
mod chores;
mod invitation;
mod key;
mod links;
mod mfa;
mod proof;
mod queue;
mod session;
mod tenant_end;
mod tenant_plan;
mod views;

pub use self::account::{Caller, Slug};
pub(crate) use self::api_calls::LeasedCalls;
pub(crate) use self::audit::sign;
pub use self::audit::{BrokenChain, ChainCheck, Pace, Signing};
pub use self::chores::{Chore, Next, Retention};
pub use self::invitation::{Guest, Invited};
pub use self::proof::{SecondFactor, Verified};
pub use self::queue::{AccountMail, ClaimedJob, Lease, LinkRules};
pub use self::session::{Ended, Goal, Proof};

use std::net::IpAddr;

use auth::PasswordHash;
use domain::{
    Account, AccountId, Email, FullName, MailKind, Role, SessionId, TenantId, TenantMembership,
    TenantName, TenantSlug,
};
use secrecy::SecretString;
use tenant_db::{PoolSettings, ServiceDb};

use crate::error::Error;
use crate::login_failures::{self, Admission, LoginLimit, Subject};
use crate::plan_limits::{PlanLimits, within_plan_of};
use crate::sessions::NewSession;
use crate::{account_mails, accounts, catalog, directory, migrations, sessions};

/// Accounts, credentials and sessions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct IdentityDb {
    db: ServiceDb,
}

/// Whom a login or a registration found: verify the password against `hash` before believing it.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The account.
    pub account: Account,
    /// What its password hashes to.
    pub hash: PasswordHash,
    /// Its tenants, by name.
    pub memberships: Vec<TenantMembership>,
}

/// Who registers.
#[derive(Debug, Clone)]
pub enum Registrant {
    /// A personal account that exists, and its password.
    Known(AccountId, Verified),
    /// Somebody new.
    New {
        /// The login address.
        email: Email,
        /// The person's name.
        full_name: FullName,
        /// The password's hash.
        password_hash: PasswordHash,
    },
}

/// An account with a live session.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The account.
    pub account: Account,
    /// The session.
    pub session: SessionId,
    /// The tenant in which the session stands.
    pub tenant: Option<TenantMembership>,
}

impl IdentityDb {
    /// Connects as the role of `url`.
    ///
    /// # Errors
    /// [`tenant_db::Error::Unavailable`] when the first connection fails.
    pub fn connect(url: &SecretString, settings: &PoolSettings) -> Result<Self, tenant_db::Error> {
        Ok(Self {
            db: ServiceDb::connect(url.clone(), settings)?,
        })
    }

    /// The personal account with this address, and a slot to compare its password; nothing where
    /// there is none, as then no password is compared.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn find_personal(
        &self,
        email: Email,
        address: IpAddr,
        limit: LoginLimit,
    ) -> Result<Option<(Admission, Candidate)>, Error> {
        self.db
            .run(move |conn| {
                let Some((account, hash)) = accounts::find_personal(conn, &email)? else {
                    return Ok(None);
                };
                let memberships = directory::memberships_of(conn, account.id)?;
                let subject = Subject::new(address, email.as_str());
                let admission = login_failures::admit(conn, &subject, Some(account.id), limit)?;
                let candidate = Candidate {
                    account,
                    hash,
                    memberships,
                };
                Ok(Some((admission, candidate)))
            })
            .await
    }

    /// Takes a slot to compare a password, and finds the account that signs in with this address: with a slug, the one behind that tenant's
    /// membership, else the personal one. A tenant that does not exist has no members.
    ///
    /// What is no address, or no slug, belongs to nobody: `None` for `email` or `slug`. `Some(None)`
    /// names no tenant.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn find_for_sign_in(
        &self,
        subject: Subject,
        email: Option<Email>,
        slug: Option<Option<TenantSlug>>,
        limit: LoginLimit,
    ) -> Result<(Admission, Option<Candidate>), Error> {
        self.db
            .run(move |conn| {
                let found = match (email, slug) {
                    (Some(email), Some(slug)) => find_candidate(conn, &email, slug.as_ref())?,
                    _ => None,
                };
                let account = found.as_ref().map(|candidate| candidate.account.id);
                let admission = login_failures::admit(conn, &subject, account, limit)?;
                Ok((admission, found))
            })
            .await
    }

    /// Makes the account if it is new (and asks for the mail that verifies its address), makes or joins the tenant if one is named, and opens a
    /// session: all of it, or nothing.
    ///
    /// # Errors
    /// [`Error::EmailTaken`], [`Error::SlugTaken`], [`Error::SignupClosed`]; [`Error::PlanLimit`] of
    /// the tenant that is joined; those of
    /// [`open_session`](Self::open_session) for somebody known.
    pub async fn register(
        &self,
        who: Registrant,
        tenant: Option<(TenantSlug, TenantName)>,
        session: NewSession,
        limits: PlanLimits,
    ) -> Result<SignedIn, Error> {
        self.db
            .run(move |conn| {
                let account = match who {
                    Registrant::Known(id, verified) => verified.accept(conn, id)?,
                    Registrant::New {
                        email,
                        full_name,
                        password_hash,
                    } => {
                        account_mails::enqueue(conn, MailKind::VerifyEmail, &email, None)?;
                        accounts::insert_personal(conn, &email, &full_name, &password_hash)?
                    }
                };
                let tenant = match tenant {
                    Some((slug, name)) => {
                        Some(enter_tenant(conn, account.id, &slug, &name, &limits)?)
                    }
                    None => None,
                };
                open(conn, account, tenant, &session)
            })
            .await
    }

    /// Opens a session that stands in `tenant`, or in none, for whoever knew the password, and has
    /// the second factor if the account asks for one.
    ///
    /// # Errors
    /// [`Error::WrongPassword`] when the password, or the account, has gone meanwhile;
    /// [`Error::MfaRequired`], [`Error::WrongSecondFactor`].
    pub async fn open_session(
        &self,
        account: AccountId,
        verified: Verified,
        tenant: Option<TenantId>,
        session: NewSession,
    ) -> Result<SignedIn, Error> {
        self.db
            .run(move |conn| {
                let account = verified.accept(conn, account)?;
                open(conn, account, tenant, &session)
            })
            .await
    }

    /// Whether every guard of the isolation is in place, as far as this role can see.
    ///
    /// # Errors
    /// [`Error::Database`]; a missing guard is a finding of the report.
    pub async fn verify(&self) -> Result<tenant_db::verify::Report, Error> {
        self.db
            .run(|conn| Ok(tenant_db::verify::verify(conn, &catalog::catalog())?))
            .await
    }

    /// Whether the database has a migration that this binary does not know.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn is_ahead(&self) -> Result<bool, Error> {
        self.db.run(migrations::is_ahead).await
    }

    /// Whether the database has every migration that this binary knows.
    ///
    /// # Errors
    /// [`Error::Database`], also when the database cannot be reached or was never migrated.
    pub async fn is_migrated(&self) -> Result<bool, Error> {
        self.db.run(migrations::is_applied).await
    }
}

/// With a slug, the account behind that tenant's membership, else the personal one. A tenant that
/// does not exist has no members.
fn find_candidate(
    conn: &mut diesel::PgConnection,
    email: &Email,
    slug: Option<&TenantSlug>,
) -> Result<Option<Candidate>, Error> {
    let home = match slug {
        Some(slug) => directory::find_by_slug(conn, slug)?.map(|tenant| tenant.id),
        None => None,
    };
    let Some((account, hash)) = accounts::find_for_sign_in(conn, email, home)? else {
        // Asked all the same: the time that a refusal takes shall not tell who exists.
        directory::memberships_of(conn, AccountId::generate())?;
        return Ok(None);
    };
    let memberships = directory::memberships_of(conn, account.id)?;
    Ok(Some(Candidate {
        account,
        hash,
        memberships,
    }))
}

/// Joins the tenant with this slug, as its policy allows, or makes it.
fn enter_tenant(
    conn: &mut diesel::PgConnection,
    account: AccountId,
    slug: &TenantSlug,
    name: &TenantName,
    limits: &PlanLimits,
) -> Result<TenantId, Error> {
    match directory::find_by_slug(conn, slug)? {
        Some(existing) => {
            within_plan_of(conn, existing.id, limits, |conn, room| {
                directory::join_tenant(conn, room, account, existing.id)
            })?;
            Ok(existing.id)
        }
        None => found_tenant(conn, account, slug, name, limits),
    }
}

/// Makes the tenant, unless the account owns as many as it may: of several that it makes at once,
/// each counts the one before.
fn found_tenant(
    conn: &mut diesel::PgConnection,
    account: AccountId,
    slug: &TenantSlug,
    name: &TenantName,
    limits: &PlanLimits,
) -> Result<TenantId, Error> {
    if let Some(limit) = limits.tenants_of_account() {
        accounts::hold(conn, account)?;
        let memberships = directory::memberships_of(conn, account)?;
        let owned = memberships.iter().filter(|it| it.role == Role::Owner);
        if i64::try_from(owned.count()).unwrap_or(i64::MAX) >= limit {
            return Err(Error::TooManyTenants { limit });
        }
    }
    directory::create_tenant(conn, account, slug, name)
}

fn open(
    conn: &mut diesel::PgConnection,
    account: Account,
    tenant: Option<TenantId>,
    new: &NewSession,
) -> Result<SignedIn, Error> {
    let session = sessions::insert(conn, account.id, tenant, new)?;
    let tenant = membership_in(conn, account.id, tenant)?;
    Ok(SignedIn {
        account,
        session,
        tenant,
    })
}

fn membership_in(
    conn: &mut diesel::PgConnection,
    account: AccountId,
    tenant: Option<TenantId>,
) -> Result<Option<TenantMembership>, Error> {
    let Some(tenant) = tenant else {
        return Ok(None);
    };
    let memberships = directory::memberships_of(conn, account)?;
    Ok(memberships
        .into_iter()
        .find(|membership| membership.tenant_id == tenant))
}

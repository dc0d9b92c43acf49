//! The sign-in door: everything that happens before a tenant is known, on a small pool of its
//! own, as `rowhouse_auth`. That role has no right on any tenant's table.

mod account;
mod chores;
mod key;
mod links;
mod queue;
mod session;

pub use self::account::{Caller, Slug};
pub use self::chores::{Chore, Next, Retention};
pub use self::queue::{AccountMail, ClaimedJob, Lease, LinkRules};
pub use self::session::{Ended, Goal, Proof};

use auth::PasswordHash;
use domain::{
    Account, AccountId, Email, FullName, MailKind, SessionId, TenantId, TenantMembership,
    TenantName, TenantSlug,
};
use secrecy::SecretString;
use tenant_db::{PoolSettings, ServiceDb};

use crate::error::Error;
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
    /// A personal account that exists, and the hash that its password was verified against.
    Known(AccountId, PasswordHash),
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
            db: ServiceDb::connect(url, settings)?,
        })
    }

    /// The personal account with this address.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn find_personal(&self, email: Email) -> Result<Option<Candidate>, Error> {
        self.db
            .run(move |conn| {
                let Some((account, hash)) = accounts::find_personal(conn, &email)? else {
                    return Ok(None);
                };
                let memberships = directory::memberships_of(conn, account.id)?;
                Ok(Some(Candidate {
                    account,
                    hash,
                    memberships,
                }))
            })
            .await
    }

    /// The account that signs in with this address: with a slug, the one behind that tenant's
    /// membership, else the personal one. A tenant that does not exist has no members.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn find_for_sign_in(
        &self,
        email: Email,
        slug: Option<TenantSlug>,
    ) -> Result<Option<Candidate>, Error> {
        self.db
            .run(move |conn| {
                let home = match &slug {
                    Some(slug) => directory::find_by_slug(conn, slug)?.map(|tenant| tenant.id),
                    None => None,
                };
                let Some((account, hash)) = accounts::find_for_sign_in(conn, &email, home)? else {
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
            })
            .await
    }

    /// Makes the account if it is new (and asks for the mail that verifies its address), makes or joins the tenant if one is named, and opens a
    /// session: all of it, or nothing.
    ///
    /// # Errors
    /// [`Error::EmailTaken`], [`Error::SlugTaken`], [`Error::SignupClosed`].
    pub async fn register(
        &self,
        who: Registrant,
        tenant: Option<(TenantSlug, TenantName)>,
        session: NewSession,
    ) -> Result<SignedIn, Error> {
        self.db
            .run(move |conn| {
                let account = match who {
                    Registrant::Known(id, verified) => {
                        match accounts::hold_password(conn, id, &verified) {
                            Err(Error::WrongPassword) => return Err(Error::EmailTaken),
                            held => held?,
                        }
                        accounts::find(conn, id)?
                    }
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
                    Some((slug, name)) => Some(match directory::find_by_slug(conn, &slug)? {
                        Some(existing) => {
                            directory::join_tenant(conn, account.id, existing.id)?;
                            existing.id
                        }
                        None => directory::create_tenant(conn, account.id, &slug, &name)?,
                    }),
                    None => None,
                };
                open(conn, account, tenant, &session)
            })
            .await
    }

    /// Opens a session that stands in `tenant`, or in none, for whoever knew the password behind
    /// `verified`.
    ///
    /// # Errors
    /// [`Error::WrongPassword`] when the password, or the account, has gone meanwhile.
    pub async fn open_session(
        &self,
        account: AccountId,
        verified: PasswordHash,
        tenant: Option<TenantId>,
        session: NewSession,
    ) -> Result<SignedIn, Error> {
        self.db
            .run(move |conn| {
                accounts::hold_password(conn, account, &verified)?;
                let account = accounts::find(conn, account)?;
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

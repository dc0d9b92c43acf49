//! What workers do without a context: they take what is due, and say what became of it. What a
//! tenant's job does happens in its tenant, see `outbox.rs`.

use auth::{MailKey, MailPurpose, MailToken};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::PgConnection;
use domain::{Account, Email, JobId, MailKind, TenantId, TenantSlug};
use uuid::Uuid;

use super::IdentityDb;
use crate::account_mails::{self, ClaimedMail, Request};
use crate::error::Error;
use crate::{account_tokens, accounts, directory};

/// A tenant's job that a worker has taken, until its lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedJob {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its id.
    pub id: JobId,
    /// What is to be done; what it is about only its context shows.
    pub kind: String,
    /// The how manieth attempt this is. Another worker's claim makes it void.
    pub attempt: i32,
    /// How many of these attempts count: those since somebody put the job back into the queue.
    pub tries: i32,
}

/// On what terms a worker takes something.
#[derive(Debug, Clone, Copy)]
pub struct Lease {
    /// Who takes it.
    pub worker: Uuid,
    /// After how many seconds another worker may take it.
    pub seconds: i32,
    /// How often it may be tried.
    pub max_attempts: i32,
}

/// How links are made.
#[derive(Debug, Clone)]
pub struct LinkRules {
    /// By which key.
    pub key: MailKey,
    /// How long one that verifies an address is good.
    pub verify_email: TimeDelta,
    /// How long one to a new password is good.
    pub reset_password: TimeDelta,
}

/// A mail to an account, ready to be written.
#[derive(Debug)]
pub struct AccountMail {
    /// What it is.
    pub kind: MailKind,
    /// Where it goes.
    pub to: Email,
    /// The link in it; not every kind has one.
    pub link: Option<MailToken>,
}

impl IdentityDb {
    /// Takes at most `most` jobs of these kinds that are due: of each tenant one in turn, so that
    /// none waits for all that another one has; that behind `last_served` comes first. Jobs of a
    /// tenant that is not active wait.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn claim_jobs(
        &self,
        kinds: &'static [&'static str],
        most: i32,
        lease: Lease,
        last_served: Option<TenantId>,
    ) -> Result<Vec<ClaimedJob>, Error> {
        self.db
            .run(move |conn| directory::claim_jobs(conn, kinds, most, &lease, last_served))
            .await
    }

    /// An attempt failed: the job is due again after this time, or dead when there is none.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn fail_job(
        &self,
        job: ClaimedJob,
        error: String,
        retry_after: Option<TimeDelta>,
    ) -> Result<(), Error> {
        self.db
            .run(move |conn| directory::fail_job(conn, &job, &error, retry_after))
            .await
    }

    /// Takes at most `most` mails to accounts that are due.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn claim_mails(&self, most: i32, lease: Lease) -> Result<Vec<ClaimedMail>, Error> {
        self.db
            .run(move |conn| {
                account_mails::claim(conn, lease.worker, most, lease.seconds, lease.max_attempts)
            })
            .await
    }

    /// Looks up whom a mail is for, and makes the link in it unless an earlier attempt has. `None`
    /// when nothing is to be sent: no such account, nothing left to verify, a newer link, another
    /// worker. Then the mail is done.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn prepare_mail(
        &self,
        claimed: ClaimedMail,
        rules: LinkRules,
        now: DateTime<Utc>,
    ) -> Result<Option<AccountMail>, Error> {
        self.db
            .run(move |conn| {
                let Some(request) = account_mails::lock(conn, claimed)? else {
                    return Ok(None);
                };
                let mail = prepare(conn, claimed, &request, &rules, now)?;
                if mail.is_none() {
                    account_mails::complete(conn, claimed)?;
                }
                Ok(mail)
            })
            .await
    }

    /// A mail was handed over.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn complete_mail(&self, claimed: ClaimedMail) -> Result<(), Error> {
        self.db
            .run(move |conn| account_mails::complete(conn, claimed))
            .await
    }

    /// An attempt failed: the mail is due again after this time, or dead when there is none.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn fail_mail(
        &self,
        claimed: ClaimedMail,
        error: String,
        retry_after: Option<TimeDelta>,
    ) -> Result<(), Error> {
        self.db
            .run(move |conn| account_mails::fail(conn, claimed, &error, retry_after))
            .await
    }
}

fn prepare(
    conn: &mut PgConnection,
    claimed: ClaimedMail,
    request: &Request,
    rules: &LinkRules,
    now: DateTime<Utc>,
) -> Result<Option<AccountMail>, Error> {
    // Both were parsed before they were stored; what is not as it was then belongs to nobody.
    let Ok(to) = Email::parse(&request.email) else {
        return Ok(None);
    };
    let Some(account) = find_account(conn, &to, request.tenant_slug.as_deref())? else {
        return Ok(None);
    };
    let (purpose, lifetime) = match claimed.kind {
        MailKind::VerifyEmail if account.email_verified => return Ok(None),
        MailKind::VerifyEmail => (MailPurpose::VerifyEmail, rules.verify_email),
        MailKind::ResetPassword => (MailPurpose::ResetPassword, rules.reset_password),
        MailKind::AddressKnown => {
            return Ok(Some(AccountMail {
                kind: claimed.kind,
                to,
                link: None,
            }));
        }
    };
    let link = match request.link {
        Some((id, issue)) => account_tokens::reissue(conn, &rules.key, purpose, id, issue)?,
        None => {
            let expires_at = now + lifetime;
            let link = account_tokens::issue(conn, &rules.key, account.id, purpose, expires_at)?;
            account_mails::set_link(conn, claimed.id, link.id(), link.issue())?;
            Some(link)
        }
    };
    Ok(link.map(|link| AccountMail {
        kind: claimed.kind,
        to,
        link: Some(link),
    }))
}

/// The account that would sign in with this address and this slug.
fn find_account(
    conn: &mut PgConnection,
    email: &Email,
    slug: Option<&str>,
) -> Result<Option<Account>, Error> {
    let home = match slug.map(TenantSlug::parse) {
        None => None,
        Some(Ok(slug)) => directory::find_by_slug(conn, &slug)?.map(|tenant| tenant.id),
        Some(Err(_)) => return Ok(None),
    };
    let found = accounts::find_for_sign_in(conn, email, home)?;
    Ok(found.map(|(account, _)| account))
}

//! One attempt at one thing: what there is to do for each kind of job and mail.

use std::error::Error as StdError;
use std::time::Duration;

use auth::{CheckpointKey, MailPurpose, MailToken};
use chrono::{TimeDelta, Utc};
use domain::{Email, InvitationId, MembershipId, Role as MemberRole, TenantSlug};
use store::{
    AuditSettings, ClaimedJob, ClaimedMail, IdentityDb, LinkRules, invitations, memberships,
    outbox, projects, tenants,
};
use tenant_db::{Actor, Context, Role, TenantConn, TenantDb};

use crate::backoff;
use crate::mail::{Letter, Mailer, Recipient, SendError};
use crate::outbox::TenantJob;
use crate::settings::{JobsSettings, ProjectsSettings};

/// What every attempt works with.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) identity: IdentityDb,
    pub(crate) tenants: TenantDb,
    pub(crate) mailer: Mailer,
    pub(crate) links: LinkRules,
    pub(crate) settings: JobsSettings,
    pub(crate) projects: ProjectsSettings,
    pub(crate) audit: AuditSettings,
    pub(crate) checkpoint_key: CheckpointKey,
}

/// What a worker has taken.
#[derive(Debug, Clone)]
pub(crate) enum Taken {
    Job(ClaimedJob),
    Mail(ClaimedMail),
}

/// An attempt failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("the job is not what its kind says")]
    Unreadable(#[source] serde_json::Error),
    #[error("a mail lacks its link")]
    NoLink,
    #[error("it took too long")]
    TooSlow,
    #[error("the worker was stopped")]
    Stopped,
    #[error("it panicked")]
    Panicked,
}

impl Failure {
    fn is_final(&self) -> bool {
        match self {
            Self::Send(error) => error.is_final(),
            Self::Unreadable(_) => true,
            _ => false,
        }
    }

    /// Whether it is the attempt's fault that it failed.
    fn is_ours(&self) -> bool {
        !matches!(self, Self::Stopped)
    }
}

impl Taken {
    fn attempt(&self) -> i32 {
        match self {
            Self::Job(job) => job.attempt,
            Self::Mail(mail) => mail.attempt,
        }
    }

    /// The attempts that count.
    fn tries(&self) -> i32 {
        match self {
            Self::Job(job) => job.tries,
            Self::Mail(mail) => mail.attempt,
        }
    }

    /// Tries it, within the time that an attempt may take. What fails is put back, or dead.
    pub(crate) async fn attempt_in_time(&self, bench: &Bench) {
        let time = bench.settings.attempt_time();
        let result = match tokio::time::timeout(time, self.run(bench)).await {
            Ok(result) => result,
            Err(_) => Err(Failure::TooSlow),
        };
        if let Err(failure) = result {
            self.fail(bench, &failure).await;
        }
    }

    async fn run(&self, bench: &Bench) -> Result<(), Failure> {
        match self {
            Self::Job(job) => run_job(bench, job).await,
            Self::Mail(mail) => send_mail(bench, *mail).await,
        }
    }

    /// Puts it back for a later attempt, or among the dead. The error stays in the database: what
    /// a mail server says may hold an address, and no log does.
    pub(crate) async fn fail(&self, bench: &Bench, failure: &Failure) {
        let retry_after = self.retry_after(&bench.settings, failure);
        let (attempt, is_dead) = (self.attempt(), retry_after.is_none());
        let error = causes(failure);
        let noted = match self.clone() {
            Self::Job(job) => {
                log::warn!(
                    tenant_id = job.tenant.to_string(), job_id = job.id.to_string(), attempt, is_dead;
                    "a job failed"
                );
                bench.identity.fail_job(job, error, retry_after).await
            }
            Self::Mail(mail) => {
                log::warn!(mail_id = mail.id.to_string(), attempt, is_dead; "a mail was not sent");
                bench.identity.fail_mail(mail, error, retry_after).await
            }
        };
        if let Err(error) = noted {
            log::warn!(
                error:% = error, attempt;
                "what became of an attempt could not be noted; it is repeated when its lease ends"
            );
        }
    }

    fn retry_after(&self, settings: &JobsSettings, failure: &Failure) -> Option<TimeDelta> {
        if !failure.is_ours() {
            return Some(TimeDelta::zero());
        }
        let tries = self.tries();
        if failure.is_final() || tries >= i32::from(settings.max_attempts) {
            return None;
        }
        let wait = backoff::wait(
            Duration::from_millis(settings.retry_milliseconds),
            Duration::from_secs(settings.retry_max_seconds),
            tries.unsigned_abs(),
            rand::random(),
        );
        Some(TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX))
    }
}

/// An error and all that led to it, in one line.
fn causes(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    // PostgreSQL stores no NUL.
    text.replace('\0', " ")
}

async fn send_mail(bench: &Bench, claimed: ClaimedMail) -> Result<(), Failure> {
    let prepared = bench
        .identity
        .prepare_mail(claimed, bench.links.clone(), Utc::now())
        .await?;
    let Some(mail) = prepared else {
        return Ok(());
    };
    let letter =
        Letter::to_account(claimed.id, mail, &bench.mailer.links).ok_or(Failure::NoLink)?;
    bench.mailer.send(&letter).await?;
    Ok(bench.identity.complete_mail(claimed).await?)
}

async fn run_job(bench: &Bench, job: &ClaimedJob) -> Result<(), Failure> {
    let actor = Actor::Job { id: job.id.uuid() };
    let context = Context::new(job.tenant.uuid(), actor).with_role(Role::Owner, job.attempt);
    let id = job.id;
    let payload = bench
        .tenants
        .read(context.clone(), move |conn| outbox::find_payload(conn, id))
        .await?;
    match TenantJob::parse(&job.kind, &payload).map_err(Failure::Unreadable)? {
        TenantJob::WelcomeMember { membership_id } => {
            welcome_member(bench, job, context, membership_id).await
        }
        TenantJob::MailInvitation { invitation_id } => {
            mail_invitation(bench, job, context, invitation_id).await
        }
        TenantJob::PurgeProjects {} => purge_projects(bench, job, context).await,
        TenantJob::MailTenantDeleting {
            membership_id,
            erase_after,
        } => {
            tell_owner(bench, job, context, membership_id, |to| {
                Letter::tenant_deleting(to, erase_after, &bench.mailer.links)
            })
            .await
        }
        TenantJob::MailTenantRestored { membership_id } => {
            tell_owner(bench, job, context, membership_id, |to| {
                Letter::tenant_restored(to, &bench.mailer.links)
            })
            .await
        }
        TenantJob::EraseTenant {} => erase_tenant(bench, job, context).await,
    }
}

/// The database knows the link before it is mailed. What was accepted, revoked or has expired
/// meanwhile is not mailed, nor is a link that another one has replaced.
async fn mail_invitation(
    bench: &Bench,
    job: &ClaimedJob,
    context: Context,
    id: InvitationId,
) -> Result<(), Failure> {
    let (key, tenant_id) = (bench.links.key.clone(), job.tenant);
    let issued = bench
        .tenants
        .run(context.clone(), move |conn| {
            let invitation = match invitations::find(conn, id, Utc::now()) {
                Err(store::Error::NotFound) => return Ok(None),
                found => found?,
            };
            let purpose = MailPurpose::Invitation;
            let tenant = Some(tenant_id);
            let token = MailToken::derive(&key, purpose, tenant, id.uuid(), invitation.issue);
            if !invitations::issue(conn, id, invitation.issue, token.hash())? {
                return Ok(None);
            }
            let slug = tenants::find(conn)?.slug;
            Ok::<_, store::Error>(Some((invitation.email, slug, token)))
        })
        .await?;
    if let Some((email, slug, token)) = issued
        && let (Ok(to), Ok(tenant)) = (Email::parse(&email), TenantSlug::parse(&slug))
    {
        let letter = Letter::invitation(job.id.uuid(), to, &tenant, &token, &bench.mailer.links);
        bench.mailer.send(&letter).await?;
    }
    Ok(bench.tenants.run(context, outbox::complete).await?)
}

/// Whoever was removed meanwhile gets no mail.
async fn welcome_member(
    bench: &Bench,
    job: &ClaimedJob,
    context: Context,
    id: MembershipId,
) -> Result<(), Failure> {
    let found = bench
        .tenants
        .read(context.clone(), move |conn| {
            let member = match memberships::find(conn, id) {
                Err(store::Error::NotFound) => return Ok(None),
                found => found?,
            };
            Ok::<_, store::Error>(Some((member.email, tenants::find(conn)?.slug)))
        })
        .await?;
    if let Some((email, slug)) = found
        && let (Ok(to), Ok(tenant)) = (Email::parse(&email), TenantSlug::parse(&slug))
    {
        let letter = Letter::welcome(job.id.uuid(), to, &tenant, &bench.mailer.links);
        bench.mailer.send(&letter).await?;
    }
    Ok(bench.tenants.run(context, outbox::complete).await?)
}

/// Whoever is no owner any more gets no mail.
async fn tell_owner(
    bench: &Bench,
    job: &ClaimedJob,
    context: Context,
    id: MembershipId,
    letter: impl FnOnce(Recipient) -> Letter,
) -> Result<(), Failure> {
    let found = bench
        .tenants
        .read(context.clone(), move |conn| {
            let member = match memberships::find(conn, id) {
                Err(store::Error::NotFound) => return Ok(None),
                found => found?,
            };
            let slug = tenants::find(conn)?.slug;
            let is_owner = member.role == MemberRole::Owner;
            Ok::<_, store::Error>(is_owner.then_some((member.email, slug)))
        })
        .await?;
    if let Some((email, slug)) = found
        && let (Ok(to), Ok(tenant)) = (Email::parse(&email), TenantSlug::parse(&slug))
    {
        let id = job.id.uuid();
        bench
            .mailer
            .send(&letter(Recipient { id, to, tenant }))
            .await?;
    }
    Ok(bench.tenants.run(context, outbox::complete).await?)
}

/// How many rows of a tenant one transaction erases.
const ERASE_BATCH: i32 = 1000;

/// What one attempt has no time for, the next one goes on with. The job goes with its tenant.
async fn erase_tenant(bench: &Bench, job: &ClaimedJob, context: Context) -> Result<(), Failure> {
    let tenant_id = job.tenant.to_string();
    loop {
        let work = |conn: &mut TenantConn<'_>| tenants::purge(conn, ERASE_BATCH);
        let purged = bench.tenants.run(context.clone(), work).await?;
        log::info!(tenant_id, purged; "rows of a deleted tenant were erased");
        if purged < i64::from(ERASE_BATCH) {
            break;
        }
    }
    let is_erased = bench.identity.erase_tenant(job.tenant).await?;
    log::info!(tenant_id, is_erased; "a deleted tenant was erased");
    Ok(())
}

/// How many projects one transaction erases: each may hold many resources.
const PURGE_BATCH: i32 = 20;

async fn purge_projects(bench: &Bench, job: &ClaimedJob, context: Context) -> Result<(), Failure> {
    let days = bench.projects.retention_days.into();
    loop {
        let work = move |conn: &mut TenantConn<'_>| {
            let purged = projects::purge(conn, days, PURGE_BATCH)?;
            let is_finished = purged < i64::from(PURGE_BATCH);
            if is_finished {
                outbox::complete(conn)?;
            }
            Ok::<_, store::Error>((purged, is_finished))
        };
        let (purged, is_finished) = bench.tenants.run(context.clone(), work).await?;
        log::info!(tenant_id = job.tenant.to_string(), purged; "deleted projects were erased");
        if is_finished {
            return Ok(());
        }
    }
}

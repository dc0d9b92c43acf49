//! The doors without a context, as `rowhouse_auth` calls them. Fixed statements, every value
//! bound: no SQL is ever composed here, and a test greps that it stays so.

mod tenant;

use auth::MailTokenHash;
use chrono::TimeDelta;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Uuid as SqlUuid};
use domain::{AccountId, Email, FullName, JobId, Role, TenantId};
use uuid::Uuid;

pub(crate) use self::tenant::{
    create_tenant, enqueue_erasures, erase_tenant, find_by_slug, memberships_of, restore_tenant,
    tenant_of,
};
use crate::error::Error;
use crate::identity::{ClaimedJob, Invited, Lease};
use crate::plan_limits::{Growth, Room};

/// Ends an account, its memberships and its sessions.
///
/// # Errors
/// [`Error::LastOwner`] of some tenant.
pub(crate) fn delete_account(conn: &mut PgConnection, account: AccountId) -> Result<(), Error> {
    diesel::sql_query("SELECT directory.delete_account($1)")
        .bind::<SqlUuid, _>(account.uuid())
        .execute(conn)?;
    Ok(())
}

/// Joins a tenant as its sign-up policy allows, with role member.
///
/// # Errors
/// [`Error::SignupClosed`]; [`Error::EmailTaken`] for a member who joins again.
pub(crate) fn join_tenant(
    conn: &mut PgConnection,
    room: &mut Room,
    account: AccountId,
    tenant: TenantId,
) -> Result<(), Error> {
    room.take(Growth::Member);
    let joined: Option<CreatedRow> = diesel::sql_query(
        "SELECT membership_id AS id FROM directory.join_tenant($1, $2, $3, NULL)",
    )
    .bind::<SqlUuid, _>(account.uuid())
    .bind::<SqlUuid, _>(tenant.uuid())
    .bind::<Text, _>(Role::Member.as_str())
    .get_result(conn)
    .optional()?;
    joined.map(drop).ok_or(Error::SignupClosed)
}

/// Takes at most `most` jobs of these kinds that are due, in whatever active tenant: in turns, the
/// tenant behind `last_served` first.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn claim_jobs(
    conn: &mut PgConnection,
    kinds: &[&str],
    most: i32,
    lease: &Lease,
    last_served: Option<TenantId>,
) -> Result<Vec<ClaimedJob>, Error> {
    let claimed = diesel::sql_query("SELECT * FROM directory.claim_jobs($1, $2, $3, $4, $5, $6)")
        .bind::<SqlUuid, _>(lease.worker)
        .bind::<Array<Text>, _>(kinds)
        .bind::<Integer, _>(most)
        .bind::<Integer, _>(lease.seconds)
        .bind::<Integer, _>(lease.max_attempts)
        .bind::<Nullable<SqlUuid>, _>(last_served.map(|tenant| tenant.uuid()))
        .load::<ClaimedRow>(conn)?;
    Ok(claimed.into_iter().map(Into::into).collect())
}

/// An attempt failed: the job is due again after this time, or dead when there is none. Nothing
/// happens when another worker has it by now.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn fail_job(
    conn: &mut PgConnection,
    job: &ClaimedJob,
    error: &str,
    retry_after: Option<TimeDelta>,
) -> Result<(), Error> {
    let retry_after = retry_after.map(|time| time.num_milliseconds());
    let failed: FailedRow =
        diesel::sql_query("SELECT directory.fail_job($1, $2, $3, $4, $5) AS was_last")
            .bind::<SqlUuid, _>(job.tenant.uuid())
            .bind::<SqlUuid, _>(job.id.uuid())
            .bind::<Integer, _>(job.attempt)
            .bind::<Text, _>(error)
            .bind::<Nullable<BigInt>, _>(retry_after)
            .get_result(conn)?;
    if !failed.was_last {
        log::info!(job_id = job.id.to_string(); "another worker has taken over a job");
    }
    Ok(())
}

/// Forgets at most `most` jobs that were done so many days ago. Returns how many.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn purge_jobs(conn: &mut PgConnection, days: i32, most: i32) -> Result<i64, Error> {
    let purged: PurgedRow = diesel::sql_query("SELECT directory.purge_jobs($1, $2) AS jobs")
        .bind::<Integer, _>(days)
        .bind::<Integer, _>(most)
        .get_result(conn)?;
    Ok(purged.jobs)
}

/// Forgets at most `most` answers that have expired. Returns how many.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn forget_answers(conn: &mut PgConnection, most: i32) -> Result<i64, Error> {
    let forgotten: PurgedRow = diesel::sql_query("SELECT directory.forget_answers($1) AS jobs")
        .bind::<Integer, _>(most)
        .get_result(conn)?;
    Ok(forgotten.jobs)
}

/// Forgets denials and reads with ids before these. Answers how many of the table that had most.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn forget_trail(
    conn: &mut PgConnection,
    denials_before: Uuid,
    reads_before: Uuid,
    most: i32,
) -> Result<i64, Error> {
    let forgotten: PurgedRow =
        diesel::sql_query("SELECT directory.forget_trail($1, $2, $3) AS jobs")
            .bind::<SqlUuid, _>(denials_before)
            .bind::<SqlUuid, _>(reads_before)
            .bind::<Integer, _>(most)
            .get_result(conn)?;
    Ok(forgotten.jobs)
}

/// Asks tenants that have projects deleted this many days ago to purge them. Answers how many.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn enqueue_project_purges(
    conn: &mut PgConnection,
    days: i32,
    most: i32,
) -> Result<i64, Error> {
    let asked: PurgedRow =
        diesel::sql_query("SELECT directory.enqueue_project_purges($1, $2) AS jobs")
            .bind::<Integer, _>(days)
            .bind::<Integer, _>(most)
            .get_result(conn)?;
    Ok(asked.jobs)
}

/// A running job in each of these tenants that is active, for this worker to count views in.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn open_view_counts(
    conn: &mut PgConnection,
    worker: Uuid,
    tenants: &[TenantId],
    lease_seconds: i32,
) -> Result<Vec<(TenantId, JobId)>, Error> {
    let tenants: Vec<Uuid> = tenants.iter().map(|tenant| tenant.uuid()).collect();
    let opened = diesel::sql_query("SELECT * FROM directory.open_view_counts($1, $2, $3)")
        .bind::<SqlUuid, _>(worker)
        .bind::<Array<SqlUuid>, _>(tenants)
        .bind::<Integer, _>(lease_seconds)
        .load::<OpenedRow>(conn)?;
    Ok(opened
        .into_iter()
        .map(|row| (row.tenant_id.into(), row.id.into()))
        .collect())
}

#[derive(QueryableByName)]
struct OpenedRow {
    #[diesel(sql_type = SqlUuid)]
    tenant_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

#[derive(QueryableByName)]
struct ClaimedRow {
    #[diesel(sql_type = SqlUuid)]
    tenant_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Integer)]
    attempt: i32,
    #[diesel(sql_type = Integer)]
    tries: i32,
}

impl From<ClaimedRow> for ClaimedJob {
    fn from(row: ClaimedRow) -> Self {
        Self {
            tenant: row.tenant_id.into(),
            id: row.id.into(),
            kind: row.kind,
            attempt: row.attempt,
            tries: row.tries,
        }
    }
}

#[derive(QueryableByName)]
struct FailedRow {
    #[diesel(sql_type = Bool)]
    was_last: bool,
}

#[derive(QueryableByName)]
struct PurgedRow {
    #[diesel(sql_type = BigInt)]
    jobs: i64,
}

/// Whom the link of this hash invites.
///
/// # Errors
/// [`Error::InvalidMailToken`].
pub(crate) fn invitation(
    conn: &mut PgConnection,
    tenant: TenantId,
    hash: MailTokenHash,
) -> Result<Invited, Error> {
    let row: Option<InvitedRow> = diesel::sql_query("SELECT * FROM directory.invitation($1, $2)")
        .bind::<SqlUuid, _>(tenant.uuid())
        .bind::<Text, _>(hash.to_hex())
        .get_result(conn)
        .optional()?;
    let row = row.ok_or(Error::InvalidMailToken)?;
    // Both were parsed before they were stored; what is not as it was then invites nobody.
    match (Email::parse(&row.email), FullName::parse(&row.full_name)) {
        (Ok(email), Ok(full_name)) => Ok(Invited { email, full_name }),
        _ => Err(Error::InvalidMailToken),
    }
}

/// Takes the place that an invitation keeps for the account's address.
///
/// # Errors
/// [`Error::InvalidMailToken`].
pub(crate) fn accept_invitation(
    conn: &mut PgConnection,
    room: &mut Room,
    account: AccountId,
    tenant: TenantId,
    hash: MailTokenHash,
) -> Result<(), Error> {
    room.take(Growth::Seat);
    let joined: Option<CreatedRow> = diesel::sql_query(
        "SELECT membership_id AS id FROM directory.join_tenant($1, $2, NULL, $3)",
    )
    .bind::<SqlUuid, _>(account.uuid())
    .bind::<SqlUuid, _>(tenant.uuid())
    .bind::<Text, _>(hash.to_hex())
    .get_result(conn)
    .optional()?;
    joined.map(drop).ok_or(Error::InvalidMailToken)
}

#[derive(QueryableByName)]
struct InvitedRow {
    #[diesel(sql_type = Text)]
    email: String,
    #[diesel(sql_type = Text)]
    full_name: String,
}

#[derive(QueryableByName)]
struct CreatedRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

//! The queue of mails to accounts, reached by `rowhouse_auth` only. A mail is asked for by address:
//! whether that has an account is looked up by the worker who sends it.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::now;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Text, Uuid as SqlUuid};
use domain::{Email, MailKind, TenantSlug};
use uuid::Uuid;

use crate::error::{Error, unknown_word};
use crate::schema::account_mails;

/// A mail that a worker has taken, until its lease ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimedMail {
    /// Its id.
    pub id: Uuid,
    /// What it is.
    pub kind: MailKind,
    /// The how manieth attempt this is. Another worker's claim makes it void.
    pub attempt: i32,
}

/// Whom a mail is for, and the link that was made for it by an earlier attempt.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub email: String,
    pub tenant_slug: Option<String>,
    pub link: Option<(Uuid, i32)>,
}

/// A mail to whoever has this address, sent if the transaction is committed.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn enqueue(
    conn: &mut PgConnection,
    kind: MailKind,
    email: &Email,
    tenant: Option<&TenantSlug>,
) -> Result<(), Error> {
    diesel::insert_into(account_mails::table)
        .values((
            account_mails::id.eq(Uuid::now_v7()),
            account_mails::kind.eq(kind.as_str()),
            account_mails::email.eq(email.as_str()),
            account_mails::tenant_slug.eq(tenant.map(TenantSlug::as_str)),
        ))
        .execute(conn)?;
    Ok(())
}

/// Takes at most `most` mails that are due. One whose last attempt died with its worker is dead.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn claim(
    conn: &mut PgConnection,
    worker: Uuid,
    most: i32,
    lease_seconds: i32,
    max_attempts: i32,
) -> Result<Vec<ClaimedMail>, Error> {
    // A newer server may have asked for what this one cannot write.
    let known: Vec<&str> = MailKind::ALL.iter().map(|kind| kind.as_str()).collect();
    diesel::sql_query(
        "WITH spent AS (
             SELECT id FROM account_mails
             WHERE status = 'running' AND due_at <= now() AND attempts >= $1 FOR UPDATE SKIP LOCKED
         )
         UPDATE account_mails m SET status = 'dead', worker = NULL, finished_at = now(),
             last_error = 'the lease of the last attempt ran out'
         FROM spent WHERE m.id = spent.id",
    )
    .bind::<Integer, _>(max_attempts)
    .execute(conn)?;
    diesel::sql_query(
        "WITH due AS (
             SELECT id FROM account_mails WHERE status IN ('queued', 'running') AND due_at <= now() AND kind = ANY ($4)
             ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
         )
         UPDATE account_mails m SET status = 'running', worker = $2, attempts = m.attempts + 1,
             due_at = now() + make_interval(secs => $3)
         FROM due WHERE m.id = due.id
         RETURNING m.id, m.kind, m.attempts",
    )
    .bind::<BigInt, _>(i64::from(most))
    .bind::<SqlUuid, _>(worker)
    .bind::<Integer, _>(lease_seconds)
    .bind::<Array<Text>, _>(known)
    .load::<ClaimedRow>(conn)?
    .into_iter()
    .map(TryInto::try_into)
    .collect()
}

/// What a claimed mail asks for, locked; `None` when another worker has it by now.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn lock(
    conn: &mut PgConnection,
    claimed: ClaimedMail,
) -> Result<Option<Request>, Error> {
    let found: Option<RequestRow> = account_mails::table
        .find(claimed.id)
        .filter(account_mails::status.eq("running"))
        .filter(account_mails::attempts.eq(claimed.attempt))
        .select(RequestRow::as_select())
        .for_no_key_update()
        .first(conn)
        .optional()?;
    Ok(found.map(|row| Request {
        email: row.email,
        tenant_slug: row.tenant_slug,
        link: row.token_id.zip(row.issue),
    }))
}

/// Notes the link that was made for a mail: every later attempt sends the same.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn set_link(
    conn: &mut PgConnection,
    id: Uuid,
    token: Uuid,
    issue: i32,
) -> Result<(), Error> {
    diesel::update(account_mails::table.find(id))
        .set((
            account_mails::token_id.eq(token),
            account_mails::issue.eq(issue),
        ))
        .execute(conn)?;
    Ok(())
}

/// The mail is done, unless another worker has it by now.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn complete(conn: &mut PgConnection, claimed: ClaimedMail) -> Result<(), Error> {
    diesel::update(account_mails::table.find(claimed.id))
        .filter(account_mails::status.eq("running"))
        .filter(account_mails::attempts.eq(claimed.attempt))
        .set((
            account_mails::status.eq("done"),
            account_mails::worker.eq(None::<Uuid>),
            account_mails::finished_at.eq(now),
        ))
        .execute(conn)?;
    Ok(())
}

/// An attempt failed: the mail is due again after this time, or dead when there is none. Nothing
/// happens when another worker has it by now.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn fail(
    conn: &mut PgConnection,
    claimed: ClaimedMail,
    error: &str,
    retry_after: Option<TimeDelta>,
) -> Result<(), Error> {
    diesel::sql_query(
        "UPDATE account_mails SET worker = NULL, last_error = left($1, 1000),
             status = CASE WHEN $2 IS NULL THEN 'dead' ELSE 'queued' END,
             finished_at = CASE WHEN $2 IS NULL THEN now() END,
             due_at = now() + make_interval(secs => coalesce($2, 0) / 1000.0)
         WHERE id = $3 AND status = 'running' AND attempts = $4",
    )
    .bind::<Text, _>(error)
    .bind::<diesel::sql_types::Nullable<BigInt>, _>(retry_after.map(|time| time.num_milliseconds()))
    .bind::<SqlUuid, _>(claimed.id)
    .bind::<Integer, _>(claimed.attempt)
    .execute(conn)?;
    Ok(())
}

/// Forgets at most `most` mails that were done before this time. Returns how many.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn purge(
    conn: &mut PgConnection,
    done_before: DateTime<Utc>,
    most: i64,
) -> Result<usize, Error> {
    let old = account_mails::table
        .filter(account_mails::status.eq("done"))
        .filter(account_mails::finished_at.lt(done_before))
        .select(account_mails::id)
        .limit(most)
        .for_update()
        .skip_locked()
        .load::<Uuid>(conn)?;
    Ok(diesel::delete(account_mails::table)
        .filter(account_mails::id.eq_any(old))
        .execute(conn)?)
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = account_mails, check_for_backend(diesel::pg::Pg))]
struct RequestRow {
    email: String,
    tenant_slug: Option<String>,
    token_id: Option<Uuid>,
    issue: Option<i32>,
}

#[derive(QueryableByName)]
struct ClaimedRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Integer)]
    attempts: i32,
}

impl TryFrom<ClaimedRow> for ClaimedMail {
    type Error = Error;

    fn try_from(row: ClaimedRow) -> Result<Self, Error> {
        Ok(Self {
            id: row.id,
            kind: row.kind.parse().map_err(unknown_word)?,
            attempt: row.attempts,
        })
    }
}

//! What runs by the clock, on whichever server comes first: forgetting what nobody needs any more.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::PgConnection;

use super::IdentityDb;
use crate::error::Error;
use crate::period::first_id;
use crate::schedule::{self, Turn};
use crate::{account_mails, account_tokens, directory, refresh_tokens, sessions};

/// How many rows of a table one run forgets; what is left, the next one does, at once.
const BATCH: i32 = 10_000;

/// How many answers one run forgets: each may be long.
const ANSWERS_BATCH: i32 = 1_000;

/// One thing that runs by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chore {
    /// Forgets refresh tokens that have expired, and sessions that ended long ago.
    ForgetSessions,
    /// Forgets jobs and mails that were done long ago, and links that have expired. What is dead
    /// stays.
    ForgetJobs,
    /// Asks tenants to purge the projects that they deleted long ago; each does it in its own job.
    PurgeProjects,
    /// Asks tenants whose grace is over to erase themselves; each does it in its own job.
    EraseTenants,
    /// Forgets what was answered under idempotency keys that have expired.
    ForgetAnswers,
    /// Forgets denials and reads that are older than they are kept.
    ForgetTrail,
}

/// How long things are kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Days that a session is kept once it has ended.
    pub session_days: i32,
    /// Days that a job is kept once it is done.
    pub job_days: i32,
    /// Days that a project can be restored once it is deleted.
    pub project_days: i32,
    /// Days that denials are kept.
    pub denial_days: i32,
    /// Days that reads of what is sensitive are kept.
    pub read_days: i32,
}

/// When to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It has run here, and is due again after its period, or at once if it left something.
    Ran {
        /// Whether it did all that there was to do.
        is_finished: bool,
    },
    /// It is due after this time.
    In(Duration),
    /// Another server runs it right now.
    Elsewhere,
}

impl Chore {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::ForgetSessions,
        Self::ForgetJobs,
        Self::PurgeProjects,
        Self::EraseTenants,
        Self::ForgetAnswers,
        Self::ForgetTrail,
    ];

    /// Its name in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ForgetSessions => "forget_sessions",
            Self::ForgetJobs => "forget_jobs",
            Self::PurgeProjects => "purge_projects",
            Self::EraseTenants => "erase_tenants",
            Self::ForgetAnswers => "forget_answers",
            Self::ForgetTrail => "forget_trail",
        }
    }

    /// Answers whether nothing is left to do.
    fn run(
        self,
        conn: &mut PgConnection,
        retention: Retention,
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        let most = i64::from(BATCH);
        let counts = match self {
            Self::ForgetSessions => {
                let ended_before = now - TimeDelta::days(retention.session_days.into());
                [
                    refresh_tokens::purge(conn, now, most)?,
                    sessions::purge(conn, ended_before, most)?,
                    0,
                ]
            }
            Self::ForgetJobs => {
                let done_before = now - TimeDelta::days(retention.job_days.into());
                let jobs = directory::purge_jobs(conn, retention.job_days, BATCH)?;
                [
                    usize::try_from(jobs).unwrap_or_default(),
                    account_mails::purge(conn, done_before, most)?,
                    account_tokens::purge(conn, now, most)?,
                ]
            }
            Self::PurgeProjects => {
                let asked = directory::enqueue_project_purges(conn, retention.project_days, BATCH)?;
                [usize::try_from(asked).unwrap_or_default(), 0, 0]
            }
            Self::EraseTenants => {
                let asked = directory::enqueue_erasures(conn, BATCH)?;
                [usize::try_from(asked).unwrap_or_default(), 0, 0]
            }
            Self::ForgetAnswers => {
                let forgotten = directory::forget_answers(conn, ANSWERS_BATCH)?;
                return Ok(forgotten < i64::from(ANSWERS_BATCH));
            }
            Self::ForgetTrail => {
                let before = |days: i32| first_id(now - TimeDelta::days(days.into()));
                let (denials, reads) = (before(retention.denial_days), before(retention.read_days));
                let forgotten = directory::forget_trail(conn, denials, reads, BATCH)?;
                return Ok(forgotten < i64::from(BATCH));
            }
        };
        Ok(counts
            .iter()
            .all(|count| i32::try_from(*count).is_ok_and(|count| count < BATCH)))
    }
}

impl IdentityDb {
    /// Runs a chore if it is due and no other server runs it.
    ///
    /// # Errors
    /// [`Error::Database`]; then it is still due.
    pub async fn run_chore(
        &self,
        chore: Chore,
        period: Duration,
        retention: Retention,
        now: DateTime<Utc>,
    ) -> Result<Next, Error> {
        let seconds = i64::try_from(period.as_secs()).unwrap_or(i64::MAX);
        self.db
            .run(move |conn| {
                match schedule::take_turn(conn, chore.name(), seconds)? {
                    Turn::Elsewhere => Ok(Next::Elsewhere),
                    // A time that is no duration cannot be waited for: ask again.
                    Turn::In(seconds) => Ok(Next::In(
                        Duration::try_from_secs_f64(seconds).unwrap_or_default(),
                    )),
                    Turn::Now => {
                        let is_finished = chore.run(conn, retention, now)?;
                        schedule::note_run(conn, chore.name(), is_finished)?;
                        Ok(Next::Ran { is_finished })
                    }
                }
            })
            .await
    }
}

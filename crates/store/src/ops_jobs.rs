//! The outboxes of tenants as the operator sees them: which jobs there are, not what they are about;
//! and how a dead one comes back. How workers take them is in `identity/queue.rs`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use domain::{JobId, TenantSlug};
use serde::Serialize;
use uuid::Uuid;

use crate::error::Error;
use crate::ops_db::OpsDb;

/// What has become of a job so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// A worker takes it once it is due.
    Waiting,
    /// A worker is at it, or has died of it.
    Running,
    /// It failed for good.
    Dead,
    /// It is done, and forgotten after `jobs.retention_days`.
    Done,
}

impl JobState {
    /// Those in which something is left to be done, by a worker or by somebody.
    pub const OPEN: [Self; 3] = [Self::Waiting, Self::Running, Self::Dead];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Dead => "dead",
            Self::Done => "done",
        }
    }

    /// As the table has it.
    fn word(self) -> &'static str {
        match self {
            Self::Waiting => "queued",
            other => other.as_str(),
        }
    }

    fn of(word: &str) -> Result<Self, Error> {
        [Self::Waiting, Self::Running, Self::Dead, Self::Done]
            .into_iter()
            .find(|state| state.word() == word)
            .ok_or_else(|| Error::unreadable(NoState(word.to_owned())))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0} is no state of a job")]
struct NoState(String);

/// A job as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobSummary {
    /// Its id, by which they are sorted.
    pub id: JobId,
    /// Whose it is: a slug.
    pub tenant: String,
    /// What is to be done.
    pub kind: String,
    /// What has become of it.
    pub state: JobState,
    /// How often it was tried.
    pub attempts: i32,
    /// When a worker may take it; while it runs, until when this one has it.
    pub due_at: DateTime<Utc>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it was done, or dead.
    pub finished_at: Option<DateTime<Utc>>,
    /// Why the last attempt that failed did. It may quote a mail server, and an address with it.
    pub error: Option<String>,
}

#[derive(QueryableByName)]
struct JobRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    tenant: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = Timestamptz)]
    due_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    finished_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    error: Option<String>,
}

impl TryFrom<JobRow> for JobSummary {
    type Error = Error;

    fn try_from(row: JobRow) -> Result<Self, Error> {
        Ok(Self {
            id: row.id.into(),
            tenant: row.tenant,
            kind: row.kind,
            state: JobState::of(&row.status)?,
            attempts: row.attempts,
            due_at: row.due_at,
            created_at: row.created_at,
            finished_at: row.finished_at,
            error: row.error,
        })
    }
}

#[derive(QueryableByName)]
struct RetriedRow {
    #[diesel(sql_type = Nullable<Text>)]
    was: Option<String>,
}

impl OpsDb {
    /// At most so many jobs in these states, of one tenant or of all, newest first, those behind
    /// `before`.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such tenant.
    pub fn list_jobs(
        &mut self,
        tenant: Option<&TenantSlug>,
        states: &[JobState],
        before: Option<JobId>,
        most: i32,
    ) -> Result<Vec<JobSummary>, Error> {
        if let Some(slug) = tenant {
            self.find_tenant(slug)?;
        }
        let words: Vec<&str> = states.iter().map(|state| state.word()).collect();
        diesel::sql_query("SELECT * FROM directory.jobs($1, $2, $3, $4)")
            .bind::<Nullable<Text>, _>(tenant.map(TenantSlug::as_str))
            .bind::<Array<Text>, _>(words)
            .bind::<Nullable<SqlUuid>, _>(before.map(|id| id.uuid()))
            .bind::<Integer, _>(most)
            .load::<JobRow>(self.conn())?
            .into_iter()
            .map(TryInto::try_into)
            .collect()
    }

    /// Puts a dead job back into the queue of its tenant, where it has all of its attempts again.
    /// Answers the state in which it was: unless that is [`JobState::Dead`], nothing has changed.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn retry_job(&mut self, id: JobId) -> Result<JobState, Error> {
        let row: RetriedRow = diesel::sql_query("SELECT directory.retry_job($1) AS was")
            .bind::<SqlUuid, _>(id.uuid())
            .get_result(self.conn())?;
        JobState::of(&row.was.ok_or(Error::NotFound)?)
    }
}

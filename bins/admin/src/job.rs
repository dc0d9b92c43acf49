//! `rowhouse-admin job`: what workers have to do, over all tenants, and what they gave up. What a job
//! is about is not seen here.

use std::error::Error;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Subcommand, ValueEnum};
use domain::{JobId, TenantSlug};
use serde_json::json;
use store::{JobState, JobSummary, OpsDb};

use crate::Refused;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists jobs that are not done, newest first.
    List {
        /// Of this tenant alone.
        #[arg(long, value_name = "SLUG", value_parser = TenantSlug::parse)]
        tenant: Option<TenantSlug>,
        /// In this state alone.
        #[arg(long)]
        state: Option<State>,
        /// At most so many, up to 1000.
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i32).range(1..=1000))]
        limit: i32,
        /// Those that are older than this one.
        #[arg(long, value_name = "ID")]
        before: Option<JobId>,
    },
    /// Puts a dead job back into its tenant's queue, with all of its attempts.
    Retry {
        /// Which one; `list` names it.
        id: JobId,
    },
}

/// What somebody may look for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum State {
    /// It failed for good.
    Dead,
    /// A worker takes it once it is due.
    Waiting,
    /// A worker is at it.
    Running,
}

impl From<State> for JobState {
    fn from(state: State) -> Self {
        match state {
            State::Dead => Self::Dead,
            State::Waiting => Self::Waiting,
            State::Running => Self::Running,
        }
    }
}

pub(crate) fn run(command: &Command, ops: &mut OpsDb, json: bool) -> Result<(), Box<dyn Error>> {
    match command {
        Command::List {
            tenant,
            state,
            limit,
            before,
        } => {
            let states = state.map_or(JobState::OPEN.to_vec(), |state| vec![state.into()]);
            let found = match ops.list_jobs(tenant.as_ref(), &states, *before, *limit) {
                Err(store::Error::NotFound) => {
                    let slug = tenant.as_ref().map_or("", TenantSlug::as_str);
                    return Err(format!("there is no tenant {slug}").into());
                }
                found => found?,
            };
            if json {
                println!("{}", serde_json::to_string_pretty(&found)?);
            } else {
                found.iter().for_each(print);
            }
            Ok(())
        }
        Command::Retry { id } => {
            let was = match ops.retry_job(*id) {
                Err(store::Error::NotFound) => return Err(format!("there is no job {id}").into()),
                was => was?,
            };
            if was != JobState::Dead {
                let why = format!("job {id} is not dead, it is {}", was.as_str());
                return Err(Refused(why).into());
            }
            if json {
                let job = json!({ "id": id, "state": JobState::Waiting });
                println!("{}", serde_json::to_string_pretty(&job)?);
            } else {
                println!("job {id} waits for a worker");
            }
            Ok(())
        }
    }
}

fn print(job: &JobSummary) {
    let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
    let JobSummary {
        id,
        tenant,
        kind,
        attempts,
        ..
    } = job;
    println!(
        "{} {} {tenant} {kind} attempts={attempts} due={} error={} id={id}",
        time(job.created_at),
        job.state.as_str(),
        time(job.due_at),
        // In quotes, as it may hold anything.
        job.error
            .as_ref()
            .map_or_else(|| "-".to_owned(), |error| format!("{error:?}")),
    );
}

//! What runs by the clock: each thing on one server at a time, whichever comes first.

use std::time::Duration;

use chrono::Utc;
use store::{Chore, Next};

use crate::attempt::Bench;

/// What runs, and how often.
const SCHEDULE: [(Chore, Duration); 6] = [
    (Chore::ForgetSessions, HOUR),
    (Chore::ForgetJobs, HOUR),
    (Chore::PurgeProjects, HOUR),
    (Chore::EraseTenants, HOUR),
    (Chore::ForgetAnswers, HOUR),
    (Chore::ForgetTrail, HOUR),
];

const HOUR: Duration = Duration::from_secs(60 * 60);

/// How many polls may pass before somebody asks again: another server may have left something.
const LONGEST_WAIT: u32 = 60;

/// Runs what is due, for ever.
pub(crate) async fn run(bench: &Bench) {
    let longest = bench.settings.poll().saturating_mul(LONGEST_WAIT);
    loop {
        let mut wait = longest;
        for (chore, period) in SCHEDULE {
            wait = wait.min(run_if_due(bench, chore, period, longest).await);
        }
        tokio::time::sleep(wait.max(bench.settings.poll())).await;
    }
}

/// Answers when to ask again.
async fn run_if_due(bench: &Bench, chore: Chore, period: Duration, longest: Duration) -> Duration {
    let retention = bench.settings.retention(&bench.projects, &bench.audit);
    let next = bench
        .identity
        .run_chore(chore, period, retention, Utc::now())
        .await;
    match next {
        Ok(Next::Ran { is_finished }) => {
            log::info!(chore = chore.name(), is_finished; "ran by the clock");
            if is_finished { period } else { Duration::ZERO }
        }
        Ok(Next::In(wait)) => wait,
        Ok(Next::Elsewhere) => longest,
        Err(error) => {
            log::warn!(chore = chore.name(), error:% = error; "what runs by the clock failed");
            longest
        }
    }
}

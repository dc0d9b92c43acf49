//! What pools say of themselves to the recorder that a program has installed (crate `metrics`);
//! without one, nothing. The names are part of the public contract and stand in the crate's
//! documentation. No label names a tenant.

use std::time::Duration;

/// How a transaction ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    Committed,
    RolledBack,
    /// No connection, or the context was refused.
    NotBegun,
    /// The connection was lost during COMMIT.
    Unknown,
}

impl Outcome {
    fn label(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::RolledBack => "rolled_back",
            Self::NotBegun => "not_begun",
            Self::Unknown => "unknown",
        }
    }
}

pub(crate) fn ended(pool: &'static str, outcome: Outcome) {
    metrics::counter!("tenant_db_transactions_total", "pool" => pool, "outcome" => outcome.label())
        .increment(1);
}

pub(crate) fn waited(pool: &'static str, time: Duration) {
    metrics::histogram!("tenant_db_wait_seconds", "pool" => pool).record(time);
}

/// A job that waits although there may be a thread: its tenant has its share.
pub(crate) fn held_back(pool: &'static str) {
    metrics::counter!("tenant_db_held_back_total", "pool" => pool).increment(1);
}

/// A job that got no thread: the queue was full, or its tenant's share of it, or the wait too long.
pub(crate) fn refused(pool: &'static str, reason: &'static str) {
    metrics::counter!("tenant_db_refused_total", "pool" => pool, "reason" => reason).increment(1);
}

/// A thread, and its connection, at work as long as this lives.
pub(crate) struct InUse(&'static str);

impl InUse {
    pub(crate) fn begin(pool: &'static str) -> Self {
        metrics::gauge!("tenant_db_connections_in_use", "pool" => pool).increment(1.0);
        Self(pool)
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        metrics::gauge!("tenant_db_connections_in_use", "pool" => self.0).decrement(1.0);
    }
}

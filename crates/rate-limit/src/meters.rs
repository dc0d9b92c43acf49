//! What is counted, by the `metrics` facade: whoever installs a recorder sees it.

use crate::Decision;

/// Who decided.
#[derive(Clone, Copy)]
pub(crate) enum By {
    Redis,
    Local,
    /// Nobody: Redis is gone, and `on_failure` says what then.
    Nobody,
}

/// `rate_limit_calls_total{by, outcome}`.
pub(crate) fn called(by: By, decision: Option<&Decision>) {
    let by = match by {
        By::Redis => "redis",
        By::Local => "local",
        By::Nobody => "nobody",
    };
    let outcome = match decision.map(Decision::is_allowed) {
        Some(true) => "allowed",
        Some(false) => "refused",
        None => "unavailable",
    };
    metrics::counter!("rate_limit_calls_total", "by" => by, "outcome" => outcome).increment(1);
}

/// `rate_limit_redis_failures_total{kind}`: calls that got no answer.
pub(crate) fn failed(kind: &'static str) {
    metrics::counter!("rate_limit_redis_failures_total", "kind" => kind).increment(1);
}

/// `rate_limit_redis_up`, and each change in `rate_limit_breaker_transitions_total{to}`.
pub(crate) fn is_reachable(is: bool) {
    metrics::gauge!("rate_limit_redis_up").set(if is { 1.0 } else { 0.0 });
    let to = if is { "closed" } else { "open" };
    metrics::counter!("rate_limit_breaker_transitions_total", "to" => to).increment(1);
}

//! One connection to Redis, and the one script that all calls run.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult, Script};
use tokio::time::timeout;

use crate::bucket::level;
use crate::{Decision, Draw};

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("buckets.lua")));
/// Where our keys begin.
const PREFIX: &str = "rate";
/// The bucket of probes, which holds nobody up.
const PROBE: &str = "rate:{probe}";

/// Why a call got no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("no answer within {} ms", .0.as_millis())]
    Slow(Duration),
    /// No connection, or Redis refuses to run the script: full, read-only, still loading.
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("the script answered something else")]
    Answer,
}

impl Failure {
    /// For the metric's label.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Slow(_) => "timeout",
            Self::Redis(error) if error.code().is_some() => "refused",
            Self::Redis(_) => "connection",
            Self::Answer => "answer",
        }
    }
}

/// A connection that many calls share: what is asked meanwhile goes out together.
pub(crate) struct Link {
    connection: MultiplexedConnection,
    timeout: Duration,
    /// In a row.
    pub(crate) failures: AtomicU32,
}

impl Link {
    /// Connects, and draws once as a call would: a Redis that cannot write answers a `PING` as well.
    pub(crate) async fn open(client: &Client, timeout: Duration) -> Result<Self, Failure> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeout))
            // Ours counts what a script that must be loaded takes too.
            .set_response_timeout(None);
        let connect = client.get_multiplexed_async_connection_with_config(&config);
        let connection = within(timeout, connect).await?;
        let link = Self {
            connection,
            timeout,
            failures: AtomicU32::new(0),
        };
        // A millisecond of a second: it is gone before anybody asks again.
        let mut probe = SCRIPT.key(PROBE);
        probe.arg(1_000_000_u64).arg(1_000_u64);
        let mut connection = link.connection.clone();
        let answer: Vec<i64> = within(timeout, probe.invoke_async(&mut connection)).await?;
        match answer.len() {
            2 => Ok(link),
            _ => Err(Failure::Answer),
        }
    }

    /// Draws from every bucket or from none: one round trip, two more where Redis lost the script.
    pub(crate) async fn draw(&self, family: &str, draws: &[Draw<'_>]) -> Result<Decision, Failure> {
        let mut call = SCRIPT.prepare_invoke();
        for draw in draws {
            let interval = draw.limit.interval_micros();
            call.key(key(family, draw.name))
                .arg(draw.limit.span_micros())
                .arg(interval.saturating_mul(draw.cost.into()));
        }
        let mut connection = self.connection.clone();
        let answer: Vec<i64> = within(self.timeout, call.invoke_async(&mut connection)).await?;
        let decision = read(draws, &answer).ok_or(Failure::Answer)?;
        self.failures.store(0, Ordering::Relaxed);
        Ok(decision)
    }
}

async fn within<T>(
    time: Duration,
    work: impl Future<Output = RedisResult<T>>,
) -> Result<T, Failure> {
    let done = timeout(time, work).await;
    Ok(done.map_err(|_| Failure::Slow(time))??)
}

/// The hash tag ends at the first brace, so a family has none: each becomes its code, as does `%`.
fn key(family: &str, name: &str) -> String {
    let plain = |c: char| !matches!(c, '{' | '}' | '%');
    if family.chars().all(plain) {
        return format!("{PREFIX}:{{{family}}}:{name}");
    }
    let family = family
        .replace('%', "%25")
        .replace('{', "%7B")
        .replace('}', "%7D");
    format!("{PREFIX}:{{{family}}}:{name}")
}

/// What the script answers: for each bucket what it lacks, and how long to wait.
fn read(draws: &[Draw<'_>], answer: &[i64]) -> Option<Decision> {
    let (pairs, []) = answer.as_chunks::<2>() else {
        return None;
    };
    if pairs.len() != draws.len() {
        return None;
    }
    let levels = draws.iter().zip(pairs).map(|(draw, [lacking, wait])| {
        let (lacking, wait) = (u64::try_from(*lacking).ok()?, u64::try_from(*wait).ok()?);
        let retry_after = match wait {
            0 => None,
            _ if draw.cost > draw.limit.burst() => Some(Duration::MAX),
            wait => Some(Duration::from_micros(wait)),
        };
        Some(level(draw.limit, lacking, retry_after))
    });
    Some(Decision::new(levels.collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_and_names_never_meet_and_a_family_is_one_hash_tag() {
        assert_eq!(key("a", "b:c"), "rate:{a}:b:c");
        assert_eq!(key("a:b", "c"), "rate:{a:b}:c");
        assert_eq!(key("a}:{b", "c"), "rate:{a%7D:%7Bb}:c");
        assert_ne!(key("%7D", ""), key("}", ""));
    }
}

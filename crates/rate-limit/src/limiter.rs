//! Whom a call asks: Redis, this process, or nobody.

use std::fmt;
use std::sync::Arc;

use secrecy::ExposeSecret as _;

use crate::meters::{self, By};
use crate::redis::Redis;
use crate::{Decision, Draw, Local, OnFailure, RedisSettings, StartError, Unavailable};

/// Token buckets, shared by all processes that use the same Redis, or by all clones in this process.
#[derive(Clone)]
pub struct Limiter(Arc<Stores>);

struct Stores {
    redis: Option<Redis>,
    on_failure: OnFailure,
    local: Local,
}

/// How a limiter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It shares its buckets through Redis.
    Shared,
    /// It should, and Redis does not answer.
    Degraded,
    /// It was told of no Redis.
    Local,
}

impl Limiter {
    /// Buckets in this process alone.
    #[must_use]
    pub fn local() -> Self {
        Self::of(None, OnFailure::Local)
    }

    /// Buckets in the Redis of the settings, in this process where they name none. Blocks until the
    /// first attempt to connect is over, for a little more than twice the timeout at most. A Redis
    /// that does not answer is no error: it may come later.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(settings: &RedisSettings) -> Result<Self, StartError> {
        let Some(url) = &settings.url else {
            log::info!("redis.url is not set: each server keeps rate limits of its own");
            return Ok(Self::local());
        };
        let redis = Redis::start(url.expose_secret(), settings)?;
        Ok(Self::of(Some(redis), settings.on_failure))
    }

    /// Draws from every bucket of one family, or from none. Within a Tokio runtime that has a timer.
    ///
    /// One round trip to Redis, for which it waits up to the timeout of the settings; while the
    /// breaker is open, and without Redis, none.
    ///
    /// # Errors
    /// [`Unavailable`] while Redis does not answer, with [`OnFailure::Closed`] only.
    pub async fn draw(&self, family: &str, draws: &[Draw<'_>]) -> Result<Decision, Unavailable> {
        let stores = &*self.0;
        if let Some(redis) = &stores.redis {
            if let Some(decision) = redis.draw(family, draws).await {
                meters::called(By::Redis, Some(&decision));
                return Ok(decision);
            }
            match stores.on_failure {
                OnFailure::Local => {}
                OnFailure::Open => {
                    let decision = Decision::unlimited();
                    meters::called(By::Nobody, Some(&decision));
                    return Ok(decision);
                }
                OnFailure::Closed => {
                    meters::called(By::Nobody, None);
                    return Err(Unavailable);
                }
            }
        }
        let decision = stores.local.draw(family, draws);
        meters::called(By::Local, Some(&decision));
        Ok(decision)
    }

    /// Whether its buckets are shared, as far as it knows. Asks nobody.
    #[must_use]
    pub fn health(&self) -> Health {
        match &self.0.redis {
            None => Health::Local,
            Some(redis) if redis.is_reachable() => Health::Shared,
            Some(_) => Health::Degraded,
        }
    }

    fn of(redis: Option<Redis>, on_failure: OnFailure) -> Self {
        Self(Arc::new(Stores {
            redis,
            on_failure,
            local: Local::new(),
        }))
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter")
            .field("health", &self.health())
            .finish_non_exhaustive()
    }
}

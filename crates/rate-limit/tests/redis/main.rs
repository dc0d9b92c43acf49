//! Against a real Redis: what is shared, and what happens when it is gone.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod gone;
mod log;
mod shared;

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use rate_limit::{Draw, Health, Limit, Limiter, OnFailure, RedisSettings};
use rowhouse_tests::Redis;

fn limit(per_minute: u32, burst: u32) -> Limit {
    Limit::per_minute(
        NonZeroU32::new(per_minute).unwrap(),
        NonZeroU32::new(burst).unwrap(),
    )
}

fn one(name: &str, limit: Limit) -> Draw<'_> {
    Draw {
        name,
        limit,
        cost: 1,
    }
}

/// A server's limiter.
fn limiter(redis: &Redis, on_failure: OnFailure) -> Limiter {
    let settings = settings(redis.url(), on_failure);
    Limiter::start(&settings).unwrap()
}

fn settings(url: String, on_failure: OnFailure) -> RedisSettings {
    RedisSettings {
        url: Some(url.into()),
        on_failure,
        // A busy machine shall not look like a slow Redis.
        timeout_milliseconds: 1_000,
    }
}

/// How many of so many calls are let through.
async fn admitted(limiter: &Limiter, family: &str, draws: &[Draw<'_>], calls: u32) -> u32 {
    let mut admitted = 0;
    for _ in 0..calls {
        let decision = limiter.draw(family, draws).await.unwrap();
        admitted += u32::from(decision.is_allowed());
    }
    admitted
}

async fn until(limiter: &Limiter, health: Health) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while limiter.health() != health {
        assert!(
            Instant::now() < deadline,
            "{limiter:?} instead of {health:?}"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

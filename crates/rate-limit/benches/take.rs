//! What a call costs: in process, and through a Redis on the socket that `REDIS_URL` names.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark stops at the first surprise"
)]

use std::num::NonZeroU32;

use criterion::{Criterion, criterion_group, criterion_main};
use rate_limit::{Bucket, Draw, Limit, Limiter, Local, RedisSettings};

fn draws() -> [Draw<'static>; 2] {
    let number = |n| NonZeroU32::new(n).unwrap();
    let limit = Limit::per_minute(number(1_000_000_000), number(1_000_000));
    ["all", "vera"].map(|name| Draw {
        name,
        limit,
        cost: 1,
    })
}

fn take(criterion: &mut Criterion) {
    let limit = draws()[0].limit;
    let mut now = 0;
    criterion.bench_function("bucket", |bencher| {
        bencher.iter(|| {
            now += 1;
            Bucket::default().draw(limit, now, 1)
        });
    });
    let local = Local::new();
    criterion.bench_function("local, two buckets", |bencher| {
        bencher.iter(|| local.draw("acme", &draws()));
    });
    let Ok(url) = std::env::var("REDIS_URL") else {
        return;
    };
    let settings = RedisSettings {
        url: Some(url.into()),
        ..RedisSettings::default()
    };
    let limiter = Limiter::start(&settings).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    criterion.bench_function("redis, two buckets", |bencher| {
        bencher
            .to_async(&runtime)
            .iter(async || limiter.draw("acme", &draws()).await.unwrap());
    });
}

criterion_group!(benches, take);
criterion_main!(benches);

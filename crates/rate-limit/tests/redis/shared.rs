//! Buckets that several servers draw from.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rate_limit::{Draw, Health, OnFailure};
use rowhouse_tests::Redis;

use crate::{admitted, limit, limiter, one, until};

#[tokio::test]
async fn a_burst_is_exact_however_many_ask_at_once_on_two_servers() {
    let redis = Redis::start();
    let servers = [(); 2].map(|()| limiter(&redis, OnFailure::Closed));
    let calls = (0..200).map(|n| {
        let limiter = servers[n % 2].clone();
        tokio::spawn(
            async move { admitted(&limiter, "acme", &[one("all", limit(1, 50))], 1).await },
        )
    });
    let mut total = 0;
    for call in calls.collect::<Vec<_>>() {
        total += call.await.unwrap();
    }
    assert_eq!(total, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_let_through_the_burst_and_what_came_since_by_the_clock_of_redis() {
    let redis = Redis::start();
    let servers = [(); 2].map(|()| limiter(&redis, OnFailure::Closed));
    let (limit, interval) = (limit(6_000, 40), 10_000);
    let stop = Arc::new(AtomicBool::new(false));
    let before = redis.micros();
    let tasks = servers.map(|limiter| {
        let stop = Arc::clone(&stop);
        tokio::spawn(async move {
            let mut let_through = 0;
            while !stop.load(Ordering::Relaxed) {
                let_through += u64::from(admitted(&limiter, "acme", &[one("all", limit)], 1).await);
            }
            let_through
        })
    });
    let begun = redis.micros();
    while redis.micros() < begun + 300_000 {
        tokio::task::yield_now().await;
    }
    let ending = redis.micros();
    stop.store(true, Ordering::Relaxed);
    let mut let_through = 0;
    for task in tasks {
        let_through += task.await.unwrap();
    }
    let after = redis.micros();
    let most = 40 + (after - before) / interval;
    let least = 40 + (ending - begun) / interval;
    assert!(let_through <= most, "{let_through} of {most}");
    assert!(let_through + 2 >= least, "{let_through} of {least}");
}

#[tokio::test]
async fn who_is_refused_by_one_bucket_draws_from_none() {
    let redis = Redis::start();
    let limiter = limiter(&redis, OnFailure::Closed);
    let (all, vera) = (one("all", limit(1, 10)), one("vera", limit(1, 3)));
    assert_eq!(admitted(&limiter, "acme", &[all, vera], 8).await, 3);
    let decision = limiter.draw("acme", &[all, vera]).await.unwrap();
    let left: Vec<_> = decision.levels().iter().map(|it| it.remaining).collect();
    assert_eq!(left, [7, 0]);
    let (which, wait) = decision.refused().unwrap();
    assert_eq!(which, 1);
    assert!(wait > Duration::from_secs(30) && wait <= Duration::from_secs(60));
    assert_eq!(decision.levels()[0].retry_after, None);
    assert_eq!(admitted(&limiter, "acme", &[all], 8).await, 7);
}

#[tokio::test]
async fn a_call_costs_what_it_says() {
    let redis = Redis::start();
    let limiter = limiter(&redis, OnFailure::Closed);
    let dear = |cost| Draw {
        cost,
        ..one("all", limit(1, 10))
    };
    assert_eq!(admitted(&limiter, "acme", &[dear(4)], 9).await, 2);
    let never = limiter.draw("acme", &[dear(11)]).await.unwrap();
    assert_eq!(never.refused(), Some((0, Duration::MAX)));
    let looked = limiter.draw("acme", &[dear(0)]).await.unwrap();
    assert_eq!(
        (looked.is_allowed(), looked.levels()[0].remaining),
        (true, 2)
    );
    assert_eq!(admitted(&limiter, "acme", &[dear(2)], 9).await, 1);
}

#[tokio::test]
async fn families_and_names_are_buckets_of_their_own() {
    let redis = Redis::start();
    let limiter = limiter(&redis, OnFailure::Closed);
    for (family, name) in [
        ("acme", "all"),
        ("acme", "vera"),
        ("globex", "all"),
        ("a}b", "{c"),
        ("", ""),
    ] {
        let draw = one(name, limit(1, 2));
        assert_eq!(
            admitted(&limiter, family, &[draw], 3).await,
            2,
            "{family} {name}"
        );
    }
    let keys = redis.ask("KEYS *");
    let mut keys: Vec<_> = keys.lines().filter(|key| !key.contains("probe")).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "rate:{a%7Db}:{c",
            "rate:{acme}:all",
            "rate:{acme}:vera",
            "rate:{globex}:all",
            "rate:{}:"
        ]
    );
}

#[tokio::test]
async fn a_bucket_that_is_full_again_is_forgotten() {
    let redis = Redis::start();
    let limiter = limiter(&redis, OnFailure::Closed);
    let (quick, slow) = (one("quick", limit(60_000, 5)), one("slow", limit(1, 5)));
    assert!(
        limiter
            .draw("acme", &[quick, slow])
            .await
            .unwrap()
            .is_allowed()
    );
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while redis.ask("KEYS *") != "rate:{acme}:slow" {
        assert!(
            std::time::Instant::now() < deadline,
            "{}",
            redis.ask("KEYS *")
        );
    }
    let left: u64 = redis
        .ask("PTTL rate:{acme}:slow")
        .trim_start_matches(':')
        .parse()
        .unwrap();
    assert!(left > 0 && left <= 60_000);
}

#[tokio::test]
async fn a_script_that_redis_forgot_is_loaded_on_the_way() {
    let redis = Redis::start();
    let limiter = limiter(&redis, OnFailure::Closed);
    let draw = [one("all", limit(1, 20))];
    let mut total = 0;
    for _ in 0..5 {
        assert_eq!(redis.ask("SCRIPT FLUSH"), "+OK");
        total += admitted(&limiter, "acme", &draw, 5).await;
    }
    assert_eq!((total, limiter.health()), (20, Health::Shared));
}

#[tokio::test]
async fn a_flush_fills_the_buckets_and_nothing_else() {
    let redis = Redis::start();
    let limiter = limiter(&redis, OnFailure::Closed);
    let draw = [one("all", limit(1, 20))];
    assert_eq!(admitted(&limiter, "acme", &draw, 30).await, 20);
    assert_eq!(redis.ask("FLUSHALL"), "+OK");
    assert_eq!(admitted(&limiter, "acme", &draw, 30).await, 20);
    assert_eq!(limiter.health(), Health::Shared);
}

#[tokio::test]
async fn a_key_that_somebody_else_wrote_is_a_full_bucket_or_a_failure() {
    let redis = Redis::start();
    let limiter = limiter(&redis, OnFailure::Local);
    let draw = [one("all", limit(1, 3))];
    assert_eq!(redis.ask("SET rate:{acme}:all nonsense"), "+OK");
    assert_eq!(admitted(&limiter, "acme", &draw, 9).await, 3);
    assert_eq!(redis.ask("DEL rate:{acme}:all"), ":1");
    assert_eq!(redis.ask("RPUSH rate:{acme}:all 1"), ":1");
    // Redis refuses each: the third opens the breaker, and this process limits for itself.
    assert_eq!(admitted(&limiter, "acme", &draw, 9).await, 3);
    until(&limiter, Health::Shared).await;
}

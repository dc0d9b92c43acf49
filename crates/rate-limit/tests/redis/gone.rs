//! Redis dead, slow, full, or coming and going. Counts of calls and of attempts are held, never how
//! long something took.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use rate_limit::{Health, Limiter, OnFailure, RedisSettings, Unavailable};
use rowhouse_tests::Redis;

use crate::{admitted, limit, limiter, one, settings, until};

/// What this thread counted under this name.
fn count(recorder: &DebuggingRecorder, name: &str) -> u64 {
    let snapshot = recorder.snapshotter().snapshot().into_vec();
    let counts = snapshot.into_iter().filter(|it| it.0.key().name() == name);
    counts
        .map(|it| match it.3 {
            DebugValue::Counter(count) => count,
            _ => 0,
        })
        .sum()
}

#[tokio::test]
async fn a_dead_redis_fails_three_calls_and_no_more() {
    let mut redis = Redis::start();
    let limiter = limiter(&redis, OnFailure::Local);
    let draw = [one("all", limit(1, 50))];
    assert_eq!(admitted(&limiter, "acme", &draw, 20).await, 20);
    redis.kill();
    let recorder = DebuggingRecorder::new();
    let _counting = metrics::set_default_local_recorder(&recorder);
    // This server's own bucket is full. Nothing is an error.
    assert_eq!(admitted(&limiter, "acme", &draw, 2_000).await, 50);
    assert_eq!(count(&recorder, "rate_limit_redis_failures_total"), 3);
    assert_eq!(limiter.health(), Health::Degraded);
    redis.restart();
    until(&limiter, Health::Shared).await;
    // Redis has forgotten.
    assert_eq!(admitted(&limiter, "acme", &draw, 60).await, 50);
}

#[tokio::test]
async fn a_slow_redis_holds_three_calls_up_and_no_more() {
    let redis = Redis::start();
    let limiter = Limiter::start(&RedisSettings {
        timeout_milliseconds: 300,
        ..settings(redis.url(), OnFailure::Local)
    });
    let limiter = limiter.unwrap();
    let draw = [one("all", limit(1, 50))];
    assert_eq!(admitted(&limiter, "acme", &draw, 60).await, 50);
    redis.pause();
    let recorder = DebuggingRecorder::new();
    let _counting = metrics::set_default_local_recorder(&recorder);
    assert_eq!(admitted(&limiter, "acme", &draw, 2_000).await, 50);
    assert_eq!(count(&recorder, "rate_limit_redis_failures_total"), 3);
    redis.resume();
    until(&limiter, Health::Shared).await;
    // It has forgotten nothing.
    assert_eq!(admitted(&limiter, "acme", &draw, 60).await, 0);
}

/// A listener that takes connections and says nothing counts who comes.
#[tokio::test]
async fn while_it_is_gone_no_call_tries_to_connect() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let came = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&came);
    thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            held.push(stream);
        }
    });
    let limiter = Limiter::start(&settings(url, OnFailure::Local)).unwrap();
    assert_eq!(limiter.health(), Health::Degraded);
    let before = came.load(Ordering::SeqCst);
    assert_eq!(
        admitted(&limiter, "acme", &[one("all", limit(1, 7))], 20_000).await,
        7
    );
    // Probes alone; each waits for its answer longer than all these calls take.
    let since = came.load(Ordering::SeqCst) - before;
    assert!(since < 20, "{since} connections during 20,000 calls");
}

#[tokio::test]
async fn a_full_redis_counts_as_gone_until_there_is_room() {
    let redis = Redis::start();
    let limiter = limiter(&redis, OnFailure::Local);
    let draw = [one("all", limit(1, 5))];
    assert_eq!(redis.ask("CONFIG SET maxmemory-policy noeviction"), "+OK");
    assert_eq!(redis.ask("CONFIG SET maxmemory 1"), "+OK");
    let recorder = DebuggingRecorder::new();
    let _counting = metrics::set_default_local_recorder(&recorder);
    assert_eq!(admitted(&limiter, "acme", &draw, 100).await, 5);
    assert_eq!(count(&recorder, "rate_limit_redis_failures_total"), 3);
    // It answers a PING all the while: a probe that only asked for one would close the breaker.
    assert_eq!(redis.ask("PING"), "+PONG");
    let failed = count(&recorder, "rate_limit_redis_failures_total");
    assert_eq!(admitted(&limiter, "acme", &draw, 100).await, 0);
    assert_eq!((failed, limiter.health()), (0, Health::Degraded));
    assert_eq!(redis.ask("CONFIG SET maxmemory 0"), "+OK");
    until(&limiter, Health::Shared).await;
    assert_eq!(admitted(&limiter, "acme", &draw, 100).await, 5);
}

#[tokio::test]
async fn open_lets_everything_through_and_closed_nothing() {
    let mut redis = Redis::start();
    let open = limiter(&redis, OnFailure::Open);
    let closed = limiter(&redis, OnFailure::Closed);
    let draw = [one("all", limit(1, 5))];
    redis.kill();
    assert_eq!(admitted(&open, "acme", &draw, 100).await, 100);
    let decision = open.draw("acme", &draw).await.unwrap();
    assert_eq!((decision.levels(), decision.refused()), (&[][..], None));
    for _ in 0..100 {
        assert_eq!(closed.draw("acme", &draw).await, Err(Unavailable));
    }
    redis.restart();
    until(&open, Health::Shared).await;
    until(&closed, Health::Shared).await;
    assert_eq!(admitted(&open, "acme", &draw, 3).await, 3);
    assert_eq!(admitted(&closed, "acme", &draw, 9).await, 2);
}

#[tokio::test]
async fn a_redis_that_comes_later_is_found() {
    let mut redis = Redis::start();
    redis.kill();
    let limiter = limiter(&redis, OnFailure::Closed);
    let draw = [one("all", limit(1, 5))];
    assert_eq!(limiter.draw("acme", &draw).await, Err(Unavailable));
    redis.restart();
    until(&limiter, Health::Shared).await;
    assert_eq!(admitted(&limiter, "acme", &draw, 9).await, 5);
}

/// The documented bound: what Redis let through, once more after each time that it forgot, and what
/// each server let through by itself, however often it changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_comes_and_goes_under_traffic_fails_nobody_and_the_bound_holds() {
    const ROUNDS: u32 = 3;
    const BURST: u32 = 40;
    let mut redis = Redis::start();
    let servers = [(); 2].map(|()| limiter(&redis, OnFailure::Local));
    let stop = Arc::new(AtomicBool::new(false));
    let tasks = [0, 0, 1, 1].map(|server: usize| {
        let (limiter, stop) = (servers[server].clone(), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut let_through = 0;
            while !stop.load(Ordering::Relaxed) {
                let_through += admitted(&limiter, "acme", &[one("all", limit(1, BURST))], 1).await;
                tokio::task::yield_now().await;
            }
            let_through
        })
    });
    for _ in 0..ROUNDS {
        redis.kill();
        for server in &servers {
            until(server, Health::Degraded).await;
        }
        redis.restart();
        for server in &servers {
            until(server, Health::Shared).await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut let_through = 0;
    for task in tasks {
        let_through += task.await.unwrap();
    }
    // One token a minute comes to each bucket meanwhile.
    let bursts = (1 + ROUNDS) + 2;
    assert!(let_through <= bursts * (BURST + 2), "{let_through}");
    assert!(let_through >= BURST, "{let_through}");
}

//! Buckets in this process.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use rate_limit::{Draw, Health, Limit, Limiter, Local};

fn draw(name: &str, per_minute: u32, burst: u32) -> Draw<'_> {
    let number = |n| NonZeroU32::new(n).unwrap();
    Draw {
        name,
        limit: Limit::per_minute(number(per_minute), number(burst)),
        cost: 1,
    }
}

/// A clock that stands until it is put forward.
fn standing() -> (Local, Arc<AtomicU64>) {
    let time = Arc::new(AtomicU64::new(1));
    let read = Arc::clone(&time);
    let local = Local::with_clock(move || read.load(Ordering::SeqCst));
    (local, time)
}

#[test]
fn a_burst_is_exact_however_many_threads_draw() {
    let (local, time) = standing();
    let drawn = || {
        (0..1_000)
            .filter(|_| local.draw("a", &[draw("b", 60, 100)]).is_allowed())
            .count()
    };
    let total = || {
        thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(drawn));
            threads
                .map(|thread| thread.join().unwrap())
                .iter()
                .sum::<usize>()
        })
    };
    assert_eq!(total(), 100);
    time.fetch_add(7_999_999, Ordering::SeqCst);
    assert_eq!(total(), 7);
}

#[test]
fn who_is_refused_by_one_bucket_draws_from_none() {
    let (local, _) = standing();
    let both = [draw("all", 1, 10), draw("vera", 1, 3)];
    assert_eq!(
        (0..8)
            .filter(|_| local.draw("acme", &both).is_allowed())
            .count(),
        3
    );
    let decision = local.draw("acme", &both);
    assert_eq!(decision.refused().map(|(which, _)| which), Some(1));
    let left: Vec<_> = decision.levels().iter().map(|it| it.remaining).collect();
    assert_eq!(left, [7, 0]);
}

/// The second bucket is emptied between the look and the draw.
#[test]
fn of_many_who_are_refused_at_once_none_keeps_a_token_of_the_other_bucket() {
    let (local, _) = standing();
    let refused = || {
        for _ in 0..2_000 {
            let _ = local.draw("acme", &[draw("all", 1, 50_000), draw("vera", 1, 3_000)]);
        }
    };
    thread::scope(|scope| {
        let threads = [(); 4].map(|()| scope.spawn(refused));
        for thread in threads {
            thread.join().unwrap();
        }
    });
    let look = Draw {
        cost: 0,
        ..draw("all", 1, 50_000)
    };
    assert_eq!(local.draw("acme", &[look]).levels()[0].remaining, 47_000);
}

#[test]
fn buckets_that_are_full_again_are_forgotten() {
    let (local, time) = standing();
    // Each is full again after 50 calls: so many live at a time.
    for n in 0..100_000 {
        time.fetch_add(1_000, Ordering::SeqCst);
        assert!(
            local
                .draw("addresses", &[draw(&n.to_string(), 1_200, 300)])
                .is_allowed()
        );
        assert!(local.len() <= 8_192, "{} buckets", local.len());
    }
    assert!(local.len() >= 50);
    // One that is not full stays, whoever else comes.
    let slow = draw("slow", 1, 1);
    assert!(local.draw("x", &[slow]).is_allowed());
    for n in 0..20_000 {
        assert!(
            local
                .draw("addresses", &[draw(&n.to_string(), 1_200, 300)])
                .is_allowed()
        );
    }
    assert!(!local.draw("x", &[slow]).is_allowed());
}

#[tokio::test]
async fn without_a_redis_a_limiter_is_local() {
    let limiter = Limiter::start(&Default::default()).unwrap();
    assert_eq!(limiter.health(), Health::Local);
    let mut admitted = 0;
    for _ in 0..10 {
        let decision = limiter.draw("a", &[draw("b", 1, 4)]).await.unwrap();
        admitted += u32::from(decision.is_allowed());
    }
    assert_eq!(admitted, 4);
}

#[test]
fn an_address_that_is_none_is_refused_without_saying_it() {
    let settings = rate_limit::RedisSettings {
        url: Some("postgres://user:secret@host".into()),
        ..Default::default()
    };
    let error = Limiter::start(&settings).unwrap_err();
    assert_eq!(error.to_string(), "redis.url is not the address of a Redis");
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
}

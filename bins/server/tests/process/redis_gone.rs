//! Servers whose Redis stops, fills up, dies, forgets, or comes and goes, under traffic: what is
//! answered, what is said of it, and how many requests still asked it. How long anything takes is
//! not measured.

use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use rowhouse_tests::Redis;
use serde_json::json;
use tokio::task::JoinSet;

use crate::http::Client;
use crate::metrics::free_address;
use crate::servers::{Server, until};
use crate::site::{Site, owner_of};
use crate::tap::Tap;

/// Of every tenant; one token a minute comes to it.
const BURST: u32 = 20;
/// So many requests of a tenant are under way at a time.
const AT_ONCE: u32 = 8;
/// Of the burst, before anything happens: one for each that asks.
const BEFORE: u32 = AT_ONCE;

/// A server that has a way of its own to the Redis of all, and the owner of a tenant at it.
struct Served {
    mode: &'static str,
    server: Server,
    tap: Tap,
    metrics: String,
    owner: Client,
}

/// What became of requests. Nothing else ever does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    served: u32,
    refused: u32,
    unavailable: u32,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.served += other.served;
        self.refused += other.refused;
        self.unavailable += other.unavailable;
    }
}

impl Served {
    async fn start(site: &mut Site, redis: &Redis, mode: &'static str) -> Self {
        let (tap, metrics) = (Tap::into(redis), free_address());
        let (url, burst) = (tap.url(), BURST.to_string());
        let server = site.serve(&[
            ("ROWHOUSE__RATE_LIMIT__ENABLED", "true"),
            ("ROWHOUSE__TIERS__FREE__RATE_LIMIT_PER_MINUTE", "1"),
            ("ROWHOUSE__TIERS__FREE__RATE_LIMIT_BURST", &burst),
            ("ROWHOUSE__METRICS__BIND", &metrics),
            ("REDIS_URL", &url),
            ("ROWHOUSE__REDIS__ON_FAILURE", mode),
            // A busy machine shall not look like a slow Redis.
            ("ROWHOUSE__REDIS__TIMEOUT_MILLISECONDS", "1500"),
        ]);
        let owner = owner_of(&server, &format!("{mode}-inc")).await;
        Self {
            mode,
            server,
            tap,
            metrics,
            owner,
        }
    }

    async fn start_all(site: &mut Site, redis: &Redis) -> [Self; 3] {
        [
            Self::start(site, redis, "local").await,
            Self::start(site, redis, "open").await,
            Self::start(site, redis, "closed").await,
        ]
    }

    /// So many requests, some at once.
    async fn ask(&self, requests: u32) -> Counts {
        let mut workers = JoinSet::new();
        for _ in 0..AT_ONCE {
            let owner = self.owner.clone();
            workers.spawn(async move {
                let mut counts = Counts::default();
                for _ in 0..requests / AT_ONCE {
                    counts += outcome(&owner).await;
                }
                counts
            });
        }
        sum(workers).await
    }

    /// As many are served as the bucket holds, between these numbers, and all others refused.
    async fn empties(&self, requests: u32, least: u32, most: u32) {
        let counts = self.ask(requests).await;
        // A token may have come meanwhile.
        let served = least..=most + 1;
        assert!(served.contains(&counts.served), "{} {counts:?}", self.mode);
        assert_eq!(counts.unavailable, 0, "{} {counts:?}", self.mode);
    }

    /// Asks while Redis does not answer; `drained`: the server's own bucket is empty too.
    async fn goes_without(&self, requests: u32, drained: bool) {
        match self.mode {
            "local" if drained => self.empties(requests, 0, 0).await,
            "local" => self.empties(requests, BURST, BURST).await,
            "open" => assert_eq!(self.ask(requests).await.served, requests),
            _ => assert_eq!(self.ask(requests).await.unavailable, requests),
        }
    }

    /// Redis is gone, and was asked until now. Answers how many still did so.
    async fn loses_it(&self) -> u32 {
        let before = self.tap.asked();
        self.goes_without(120, false).await;
        self.until("degraded").await;
        // Those that were under way when the third of them failed, and those that the first two made
        // room for: of 120.
        let asked = self.tap.asked() - before;
        let most = usize::try_from(AT_ONCE).unwrap() + 2;
        assert!(asked <= most, "{}: {asked} asked", self.mode);

        let before = self.tap.asked();
        self.goes_without(120, true).await;
        assert_eq!(self.tap.asked(), before, "{}", self.mode);
        assert_eq!(self.said(), (1, 1), "{}", self.mode);
        u32::try_from(asked).unwrap()
    }

    /// Waits until `/health/ready`, which is 200 all the while, says so.
    async fn until(&self, status: &str) {
        let expected = json!({ "status": status,
            "checks": { "database": "ok", "migrations": "ok", "seal": "ok", "redis": status } });
        until(&format!("{} is {status}", self.mode), async || {
            self.server.client().get("/health/ready").await == expected
        })
        .await;
    }

    /// How often it has said that Redis is gone, and that it is back.
    fn said(&self) -> (usize, usize) {
        let gone = match self.mode {
            "local" => "Redis does not answer: each server keeps rate limits of its own",
            "open" => "Redis does not answer: nobody's rate is limited",
            _ => "Redis does not answer: requests are refused, as their rate is unknown",
        };
        let back = "Redis answers: all servers share their rate limits";
        let log = self.server.log();
        let times = |line| log.matches(line).count();
        assert_eq!(times("Redis "), times(gone) + times(back), "{log}");
        (times(gone), times(back))
    }

    /// How often the breaker has opened and closed.
    async fn transitions(&self) -> (usize, usize) {
        let text = reqwest::get(format!("http://{}/metrics", self.metrics));
        let text = text.await.unwrap().text().await.unwrap();
        let count = |to| {
            let name = format!("rate_limit_breaker_transitions_total{{to=\"{to}\"}} ");
            let line = text.lines().find_map(|line| line.strip_prefix(&*name));
            line.map_or(0, |count| count.parse().unwrap())
        };
        (count("open"), count("closed"))
    }
}

async fn outcome(owner: &Client) -> Counts {
    let asked = owner.try_send(Method::GET, "/api/v1/projects", None).await;
    let answer = asked.unwrap();
    let mut counts = Counts::default();
    match (answer.status, answer.body["code"].as_str()) {
        (200, None) => counts.served = 1,
        (429, Some("rate_limited")) => counts.refused = 1,
        (503, Some("rate_limits_unavailable")) => counts.unavailable = 1,
        _ => panic!("{answer:?}"),
    }
    counts
}

async fn sum(mut workers: JoinSet<Counts>) -> Counts {
    let mut counts = Counts::default();
    while let Some(one) = workers.join_next().await {
        counts += one.unwrap();
    }
    counts
}

/// A Redis that goes and comes once, under the eyes of one server of each mode.
async fn goes_and_comes(
    go: impl FnOnce(&mut Redis),
    come: impl FnOnce(&mut Redis),
    remembers: bool,
) {
    let (mut site, mut redis) = (Site::new(), Redis::start());
    let all = Served::start_all(&mut site, &redis).await;
    for served in &all {
        served.until("ok").await;
        assert_eq!(served.ask(BEFORE).await.served, BEFORE);
    }
    go(&mut redis);
    let [first, second, third] = &all;
    let late = tokio::join!(first.loses_it(), second.loses_it(), third.loses_it());
    come(&mut redis);
    for (served, late) in all.iter().zip(<[u32; 3]>::from(late)) {
        served.until("ok").await;
        if remembers {
            // Those that nobody waited for any more may have drawn in the end.
            let left = BURST - BEFORE;
            served.empties(40, left - late, left).await;
        } else {
            served.empties(40, BURST, BURST).await;
        }
        assert_eq!(served.said(), (1, 2), "{}", served.mode);
        assert_eq!(served.transitions().await, (1, 2), "{}", served.mode);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_paused_holds_up_who_was_there_and_nobody_else() {
    goes_and_comes(|redis| redis.pause(), |redis| redis.resume(), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_full_is_as_good_as_none_until_there_is_room() {
    let set = |redis: &Redis, bytes: u32| {
        let most = format!("CONFIG SET maxmemory {bytes}");
        assert_eq!(redis.ask(&most), "+OK");
    };
    let fill = |redis: &mut Redis| {
        assert_eq!(redis.ask("CONFIG SET maxmemory-policy noeviction"), "+OK");
        set(redis, 1);
    };
    goes_and_comes(fill, |redis| set(redis, 0), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_killed_is_done_without_and_has_forgotten_when_it_is_back() {
    goes_and_comes(Redis::kill, Redis::restart, false).await;
}

/// `closed`, as it would answer 503 for every call that Redis did not decide.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_flushed_under_traffic_fails_no_request() {
    const FLUSHES: u32 = 3;
    let (mut site, redis) = (Site::new(), Redis::start());
    let served = Served::start(&mut site, &redis, "closed").await;
    served.until("ok").await;
    let mut counts = Counts::default();
    let traffic = async {
        for _ in 0..=FLUSHES {
            counts += served.ask(80).await;
        }
    };
    let flushes = async {
        for flush in 0..FLUSHES {
            let asked = || served.tap.asked() >= 80 * usize::try_from(flush).unwrap() + 40;
            until("it is asked", async || asked()).await;
            for what in ["FLUSHALL", "SCRIPT FLUSH"] {
                assert_eq!(redis.ask(what), "+OK");
            }
        }
    };
    tokio::join!(traffic, flushes);
    let most = (1 + FLUSHES) * BURST + 2;
    assert!(counts.served > BURST && counts.served <= most, "{counts:?}");
    assert_eq!(counts.unavailable, 0, "{counts:?}");
    served.until("ok").await;
    assert_eq!(served.said(), (0, 1));
    assert_eq!(served.transitions().await, (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_comes_and_goes_under_traffic_fails_nobody_but_where_that_is_wanted() {
    const KILLS: u32 = 2;
    let (mut site, mut redis) = (Site::new(), Redis::start());
    let all = Served::start_all(&mut site, &redis).await;
    let stop = Arc::new(AtomicBool::new(false));
    let traffic = all.iter().map(|served| {
        let mut workers = JoinSet::new();
        for _ in 0..2 {
            let (owner, stop) = (served.owner.clone(), Arc::clone(&stop));
            workers.spawn(async move {
                let mut counts = Counts::default();
                while !stop.load(Ordering::Relaxed) {
                    counts += outcome(&owner).await;
                }
                counts
            });
        }
        workers
    });
    let traffic: Vec<JoinSet<Counts>> = traffic.collect();
    for served in &all {
        let asked = || served.tap.asked() >= usize::try_from(BURST).unwrap() + 6;
        until("it asks Redis", async || asked()).await;
    }
    for is_killed in [true, false, true] {
        if is_killed {
            redis.kill();
        } else {
            redis.pause();
        }
        for served in &all {
            served.until("degraded").await;
        }
        if is_killed {
            redis.restart();
        } else {
            redis.resume();
        }
        for served in &all {
            served.until("ok").await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    // What it held when it was killed was held anew.
    let shared = (1 + KILLS) * BURST;
    for (served, workers) in all.iter().zip(traffic) {
        let (mode, counts) = (served.mode, sum(workers).await);
        let (most, fails) = match mode {
            "local" => (shared + BURST, false),
            "open" => (u32::MAX, false),
            _ => (shared, true),
        };
        // Tokens come meanwhile, one a minute.
        let most = most.saturating_add(4);
        assert!(counts.served <= most, "{mode} {counts:?}");
        assert!(counts.served >= BURST, "{mode} {counts:?}");
        assert!(counts.refused > 0, "{mode} {counts:?}");
        assert_eq!(counts.unavailable > 0, fails, "{mode} {counts:?}");
        // A line for each change, though a busy machine may have seen more of them.
        served.until("ok").await;
        let said = served.said();
        assert!(said.0 >= 3 && said.1 == said.0 + 1, "{mode} {said:?}");
        assert_eq!(served.transitions().await, said, "{mode}");
    }
}

//! What is said of a Redis that comes and goes.

use std::sync::Mutex;

use log::{Level, Log, Metadata, Record};
use rate_limit::{Health, OnFailure};
use rowhouse_tests::Redis;

use crate::{admitted, limit, limiter, one, until};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Capture;

impl Log for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("rate_limit")
    }

    fn log(&self, record: &Record<'_>) {
        // Other tests of this binary may run beside, and none of them is `open`.
        let line = format!("{} {}", record.level(), record.args());
        if self.enabled(record.metadata()) && record.level() <= Level::Info {
            LINES.lock().unwrap().push(line);
        }
    }

    fn flush(&self) {}
}

#[tokio::test]
async fn each_change_is_one_line() {
    log::set_logger(&Capture).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let mut redis = Redis::start();
    let limiter = limiter(&redis, OnFailure::Open);
    let draw = [one("all", limit(1, 5))];
    for _ in 0..2 {
        redis.kill();
        assert_eq!(admitted(&limiter, "acme", &draw, 500).await, 500);
        redis.restart();
        until(&limiter, Health::Shared).await;
    }
    let lines = LINES.lock().unwrap().clone();
    let (gone, back) = (
        "WARN Redis does not answer: nobody's rate is limited",
        "INFO Redis answers: all servers share their rate limits",
    );
    let ours = |line: &&String| line.as_str() == gone || line.as_str() == back;
    let ours: Vec<_> = lines.iter().filter(ours).collect();
    assert_eq!(ours, [back, gone, back, gone, back]);
}

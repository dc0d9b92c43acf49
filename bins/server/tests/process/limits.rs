//! Two processes that share one limit through a Redis, and what is said where they do not.

use reqwest::Method;
use rowhouse_tests::Redis;

use crate::http::Client;
use crate::servers::{Home, Server, eventually};

const BURST: u32 = 30;

/// A server with one request a minute for everybody, and so many at once.
fn serve(home: &Home, redis: Option<&Redis>) -> Server {
    let mut command = home.command();
    command.env("ROWHOUSE__RATE_LIMIT__ENABLED", "true");
    for tier in ["FREE", "BASIC", "PREMIUM", "ENTERPRISE"] {
        command.env(
            format!("ROWHOUSE__TIERS__{tier}__RATE_LIMIT_PER_MINUTE"),
            "1",
        );
        command.env(
            format!("ROWHOUSE__TIERS__{tier}__RATE_LIMIT_BURST"),
            BURST.to_string(),
        );
    }
    if let Some(redis) = redis {
        // A busy machine shall not look like a slow Redis.
        command.env("ROWHOUSE__REDIS__TIMEOUT_MILLISECONDS", "2000");
        command.env("REDIS_URL", redis.url());
    }
    Server::start(&mut command)
}

async fn is_served(caller: &Client) -> bool {
    let asked = caller.try_send(Method::GET, "/api/v1/projects", None).await;
    let answer = asked.unwrap();
    assert!([200, 429].contains(&answer.status), "{answer:?}");
    answer.status == 200
}

#[tokio::test]
async fn two_processes_share_one_limit_and_go_on_without_redis() {
    let home = Home::new();
    let mut redis = Redis::start();
    let (first, second) = (serve(&home, Some(&redis)), serve(&home, Some(&redis)));
    let here = first.client().demo("owner@aliki-farms.example").await;
    let there = here.at(second.address());
    let mut served = 0;
    for _ in 0..BURST {
        for caller in [&here, &there] {
            served += u32::from(is_served(caller).await);
        }
    }
    // A token may have come meanwhile.
    assert!((BURST..=BURST + 1).contains(&served), "{served}");

    redis.kill();
    let mut served = 0;
    for _ in 0..2 * BURST {
        served += u32::from(is_served(&there).await);
    }
    assert!((BURST..=BURST + 1).contains(&served), "{served}");
    let gone = "Redis does not answer: each server keeps rate limits of its own";
    let back = "Redis answers: all servers share their rate limits";
    assert_eq!(second.log().matches(gone).count(), 1, "{}", second.log());
    redis.restart();
    eventually("it shares its limits again", || {
        (second.log().matches(back).count() == 2).then_some(())
    });
}

#[tokio::test]
async fn without_a_redis_a_server_says_so() {
    let home = Home::new();
    let server = serve(&home, None);
    let owner = server.client().demo("owner@aliki-farms.example").await;
    assert!(is_served(&owner).await);
    let said = "redis.url is not set: each server keeps rate limits of its own";
    assert_eq!(server.log().matches(said).count(), 1, "{}", server.log());
}

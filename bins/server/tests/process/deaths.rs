//! What was acknowledged outlives both processes.

use nix::sys::signal::{Signal, kill};
use reqwest::Method;

use crate::servers::Home;
use crate::writers::{Writers, assert_kept};

const OWNER: &str = "owner@dunder-mifflin.example";
const MEMBER: &str = "member@dunder-mifflin.example";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing_that_it_acknowledged() {
    let home = Home::new();
    let mut server = home.serve();
    let mut owner = server.client().demo(OWNER).await;
    let mut acknowledged = Vec::new();
    for round in ["Before", "After"] {
        let writers = Writers::start(&owner, 4, round);
        let enough = acknowledged.len() + 50;
        server.eventually("fifty writes are acknowledged", || {
            writers.acknowledged() + acknowledged.len() >= enough
        });
        server.kill();
        acknowledged.extend(writers.stop().await);
        server = home.serve();
        owner = owner.at(server.address());
    }
    let found = owner.projects().await;
    assert_kept(&acknowledged, &found);
    // And somebody who signs in anew sees the same.
    assert_eq!(server.client().demo(MEMBER).await.projects().await, found);
    assert_eq!(server.terminate().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_postgresql_is_answered_with_503_and_comes_back_with_all_that_was_acknowledged() {
    let home = Home::new();
    let mut server = home.serve();
    let owner = server.client().demo(OWNER).await;
    let writers = Writers::start(&owner, 4, "Write");
    for round in 1..=2 {
        let (acknowledged, refused) = (writers.acknowledged(), writers.refused().len());
        server.eventually("some writes are acknowledged", || {
            writers.acknowledged() >= acknowledged + 20
        });
        let killed = home.postgres().unwrap();
        kill(killed, Signal::SIGKILL).unwrap();
        server.eventually("writes are refused", || writers.refused().len() > refused);
        // The server itself lives.
        assert_eq!(server.client().get("/health/live").await["status"], "ok");
        let acknowledged = writers.acknowledged();
        server.eventually("writes are acknowledged again", || {
            writers.acknowledged() >= acknowledged + 20
        });
        assert_ne!(home.postgres(), Some(killed), "round {round}");
    }
    for answer in writers.refused() {
        let code = answer.body["code"].as_str().unwrap_or_default();
        assert_eq!(answer.status, 503, "{answer:?}");
        assert_eq!(
            answer.content_type, "application/problem+json",
            "{answer:?}"
        );
        assert!(
            ["database_unavailable", "busy"].contains(&code),
            "{answer:?}"
        );
        assert!(
            answer.retry_after.is_some_and(|seconds| seconds >= 1),
            "{answer:?}"
        );
    }
    let acknowledged = writers.stop().await;
    let found = owner.projects().await;
    assert_kept(&acknowledged, &found);
    assert_eq!(server.client().demo(MEMBER).await.projects().await, found);
    let ready = server
        .client()
        .try_send(Method::GET, "/health/ready", None)
        .await
        .unwrap();
    assert_eq!(ready.status, 200, "{ready:?}");
    assert_eq!(server.terminate().code(), Some(0));
    assert_eq!(home.postgres(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_killed_at_once_lose_nothing_that_was_acknowledged() {
    let home = Home::new();
    let mut server = home.serve();
    let owner = server.client().demo(OWNER).await;
    let writers = Writers::start(&owner, 4, "Write");
    server.eventually("fifty writes are acknowledged", || {
        writers.acknowledged() >= 50
    });
    kill(home.postgres().unwrap(), Signal::SIGKILL).unwrap();
    server.kill();
    let acknowledged = writers.stop().await;
    let server = home.serve();
    let owner = owner.at(server.address());
    assert_kept(&acknowledged, &owner.projects().await);
    // This server has started PostgreSQL itself, so it stops it.
    assert_eq!(server.terminate().code(), Some(0));
    assert_eq!(home.postgres(), None);
}

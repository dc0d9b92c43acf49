//! A tenant whose statements do not end takes its share of the database, and its neighbours do not
//! notice.

use diesel::connection::SimpleConnection as _;
use rowhouse_tests::{Setup, TestApp};
use serde_json::json;
use tenant_db::PoolSettings;
use tokio::task::JoinSet;

use crate::state;

#[tokio::test]
async fn a_tenant_that_blocks_is_turned_away_and_its_neighbour_is_served() {
    let app = TestApp::start_as(Setup {
        pool: Some(PoolSettings {
            connections: 4,
            queue: 8,
            queue_timeout_seconds: 0,
            tenant_share_percent: 50,
            ..PoolSettings::default()
        }),
        ..Setup::default()
    })
    .await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let bob = app.register("bob@globex.example", "globex-inc").await;
    let project = alice.create_project("Atlas").await.id();
    let path = format!("/api/v1/projects/{project}");
    let mut holder = app.database().superuser();
    holder
        .batch_execute("BEGIN; UPDATE projects SET name = 'held'")
        .unwrap();
    let mut blocked = JoinSet::new();
    for _ in 0..2 {
        let (alice, path) = (alice.clone(), path.clone());
        blocked.spawn(async move { alice.patch(&path, json!({ "name": "Blocked" })).await });
    }
    state::until_waiting(&app, 2).await;
    // What it asks for beyond its share waits, and nobody may wait here.
    let mut surplus = JoinSet::new();
    for _ in 0..12 {
        let alice = alice.clone();
        surplus.spawn(async move { alice.get("/api/v1/projects").await });
    }
    for answer in surplus.join_all().await {
        drop(answer.problem(503, "busy"));
        assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
    }
    for number in 0..40 {
        drop(bob.get("/api/v1/projects").await.expect(200));
        drop(
            bob.create_project(&format!("Of globex {number}"))
                .await
                .expect(201),
        );
    }
    state::until_waiting(&app, 2).await;
    holder.batch_execute("ROLLBACK").unwrap();
    for answer in blocked.join_all().await {
        drop(answer.expect(200));
    }
    drop(alice.get("/api/v1/projects").await.expect(200));
}

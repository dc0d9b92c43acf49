//! A request that the database does not answer in time: it is answered all the same, and happens as
//! a whole or not at all.

use std::num::NonZeroU64;

use diesel::connection::SimpleConnection as _;
use rowhouse_tests::TestApp;
use serde_json::json;

use crate::state;

/// Of the server, in the test's own database: connections that are in the middle of something.
const AT_WORK: &str = "pg_stat_activity WHERE datname = current_database() \
    AND usename IN ('rowhouse_app', 'rowhouse_auth') AND state <> 'idle'";

async fn app_of_a_second() -> TestApp {
    TestApp::start_with(|state, _| state.settings.request_timeout_seconds = NonZeroU64::MIN).await
}

#[tokio::test]
async fn what_waits_too_long_for_a_lock_is_answered_and_ends_as_a_whole() {
    let app = app_of_a_second().await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let mut lock = app.database().superuser();
    lock.batch_execute("BEGIN; LOCK TABLE projects IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let answer = alice
        .post("/api/v1/projects", json!({ "name": "Atlas" }))
        .await;
    answer.problem(503, "deadline_exceeded");
    // As when its statement timeout ends it. One that never began would not be there.
    state::change(
        &app,
        &format!("SELECT pg_cancel_backend(pid) FROM {AT_WORK}"),
    );
    state::until(&app, AT_WORK, 0).await;
    lock.batch_execute("ROLLBACK").unwrap();
    assert_eq!(state::count(&app, "projects"), 0);

    // As when it gets its lock after all.
    lock.batch_execute("BEGIN; LOCK TABLE projects IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let answer = alice
        .post("/api/v1/projects", json!({ "name": "Atlas" }))
        .await;
    answer.problem(503, "deadline_exceeded");
    lock.batch_execute("ROLLBACK").unwrap();
    state::until(&app, AT_WORK, 0).await;
    assert_eq!(state::count(&app, "projects"), 1);
    // Its connection is as good as ever.
    for _ in 0..8 {
        drop(alice.get("/api/v1/projects").await.expect(200));
    }
}

#[tokio::test]
async fn those_who_wait_behind_it_do_not_begin_once_they_are_given_up() {
    let app = app_of_a_second().await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let mut lock = app.database().superuser();
    lock.batch_execute("BEGIN; LOCK TABLE projects IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    // More than the server has connections.
    let asked = (0..12).map(|_| {
        let alice = alice.clone();
        tokio::spawn(async move {
            let answer = alice
                .post("/api/v1/projects", json!({ "name": "Atlas" }))
                .await;
            answer.problem(503, "deadline_exceeded");
        })
    });
    for asked in asked.collect::<Vec<_>>() {
        asked.await.unwrap();
    }
    assert_eq!(state::count(&app, AT_WORK), 4);
    lock.batch_execute("ROLLBACK").unwrap();
    state::until(&app, AT_WORK, 0).await;
    drop(alice.create_project("Atlas").await);
    assert_eq!(state::count(&app, "projects"), 5);
}

#[tokio::test]
async fn the_look_up_of_a_key_counts() {
    let app = app_of_a_second().await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let (_, key) = alice.create_key(&["projects:read"]).await;
    drop(key.get("/api/v1/projects").await.expect(200));
    let mut lock = app.database().superuser();
    lock.batch_execute("BEGIN; LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let answer = key.get("/api/v1/projects").await;
    answer.problem(503, "deadline_exceeded");
    lock.batch_execute("ROLLBACK").unwrap();
    drop(key.get("/api/v1/projects").await.expect(200));
}

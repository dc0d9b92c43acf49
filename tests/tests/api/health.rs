//! `/health`: for load balancers and orchestrators, who have no token.

use reqwest::Method;
use rowhouse_tests::TestApp;
use serde_json::json;

use crate::state;

#[tokio::test]
async fn a_live_server_says_so_and_its_version() {
    let app = TestApp::start().await;
    for path in ["/health", "/health/live"] {
        let answer = app.stranger().get(path).await.expect(200);
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(answer.json(), json!({ "status": "ok", "version": version }));
        assert_eq!(answer.header("content-type"), "application/json");
        answer.assert_framed();
    }
}

#[tokio::test]
async fn a_ready_server_names_what_it_checked() {
    let app = TestApp::start().await;
    let answer = app.stranger().get("/health/ready").await.expect(200);
    let checks = json!({ "database": "ok", "migrations": "ok", "seal": "ok", "redis": "off" });
    assert_eq!(answer.json(), json!({ "status": "ok", "checks": checks }));
    answer.assert_framed();
}

#[tokio::test]
async fn a_database_that_lacks_a_migration_is_not_ready() {
    let app = TestApp::start().await;
    state::change(
        &app,
        "DELETE FROM __diesel_schema_migrations
         WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)",
    );
    let answer = app.stranger().get("/health/ready").await.expect(503);
    let checks = json!({ "database": "ok", "migrations": "unavailable", "seal": "unavailable", "redis": "off" });
    assert_eq!(
        answer.json(),
        json!({ "status": "unavailable", "checks": checks })
    );
    let live = app.stranger().get("/health/live").await;
    assert_eq!(live.status(), 200);
}

#[tokio::test]
async fn a_server_whose_seal_key_was_retired_is_not_ready() {
    let app = TestApp::start().await;
    state::change(&app, "UPDATE tenancy.seal_key SET not_after = now()");
    let answer = app.stranger().get("/health/ready").await.expect(503);
    let checks =
        json!({ "database": "ok", "migrations": "ok", "seal": "unavailable", "redis": "off" });
    assert_eq!(
        answer.json(),
        json!({ "status": "unavailable", "checks": checks })
    );
    state::change(&app, "UPDATE tenancy.seal_key SET not_after = NULL");
    drop(app.stranger().get("/health/ready").await.expect(200));
}

#[tokio::test]
async fn probes_may_use_head() {
    let app = TestApp::start().await;
    for path in ["/health", "/health/live", "/health/ready"] {
        let answer = app.stranger().send(Method::HEAD, path, None).await;
        assert_eq!((answer.status(), answer.text()), (200, ""));
    }
}

//! `POST /auth/logout`: what ends, by which token, and that it ends at once.

use diesel::connection::SimpleConnection as _;
use reqwest::Method;
use rowhouse_tests::{Answer, Caller, TestApp};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::projects::refusal;
use crate::refresh::{ME, PROJECTS, Session, age_used_tokens, refresh, sign_in};
use crate::state;

const LOGOUT: &str = "/api/v1/auth/logout";
const ALICE: &str = "alice@acme.example";

/// Bob never notices.
async fn neighbours() -> (TestApp, Session, Session, Session) {
    let (app, _, _) = TestApp::two_tenants().await;
    let one = sign_in(&app, ALICE).await;
    let other = sign_in(&app, ALICE).await;
    let bob = sign_in(&app, "bob@globex.example").await;
    (app, one, other, bob)
}

async fn log_out(caller: &Caller, body: Option<Value>) -> Answer {
    caller.send(Method::POST, LOGOUT, body).await
}

fn assert_is_empty(answer: &Answer) {
    assert_eq!((answer.status(), answer.text()), (204, ""));
    answer.assert_framed();
}

#[tokio::test]
async fn a_logout_ends_the_session_at_once_and_no_other() {
    let (app, _, other, bob) = neighbours().await;
    for body in [
        None,
        Some(json!({})),
        Some(json!({ "all": false })),
        Some(json!({ "all": null, "refresh_token": null })),
    ] {
        let session = sign_in(&app, ALICE).await;
        assert_is_empty(&log_out(&session.caller, body).await);
        session.assert_ended(&app).await;
        let answer = log_out(&session.caller, None).await;
        answer.problem(401, "session_revoked");
    }
    for session in [&other, &bob] {
        session.assert_lives().await;
        let _ = refresh(&app, &session.refresh).await.expect(200);
    }
}

#[tokio::test]
async fn a_logout_of_all_ends_every_session_of_the_account() {
    let (app, one, other, bob) = neighbours().await;
    let answer = log_out(&one.caller, Some(json!({ "all": true }))).await;
    assert_is_empty(&answer);
    for session in [&one, &other] {
        session.assert_ended(&app).await;
    }
    bob.assert_lives().await;
    sign_in(&app, ALICE).await.assert_lives().await;
}

#[tokio::test]
async fn without_a_valid_access_token_the_refresh_token_says_whose() {
    let (app, _, other, bob) = neighbours().await;
    for caller in [
        app.stranger(),
        app.stranger().with_token("nonsense"),
        app.stranger().with_header("authorization", "Basic YTpi"),
        app.stranger().with_header("x-tenant-slug", "globex-inc"),
    ] {
        let session = sign_in(&app, ALICE).await;
        let body = json!({ "refresh_token": session.refresh });
        assert_is_empty(&log_out(&caller, Some(body.clone())).await);
        session.assert_ended(&app).await;
        let answer = log_out(&caller, Some(body)).await;
        answer.problem(401, "session_revoked");
    }
    other.assert_lives().await;
    let body = json!({ "refresh_token": other.refresh, "all": true });
    assert_is_empty(&log_out(&app.stranger(), Some(body)).await);
    other.assert_ended(&app).await;
    assert_eq!(
        state::count(&app, "sessions WHERE revoked_at IS NULL"),
        2,
        "bob's"
    );
    bob.assert_lives().await;
}

#[tokio::test]
async fn a_valid_access_token_goes_before_any_refresh_token() {
    let (app, one, other, bob) = neighbours().await;
    let body = json!({ "refresh_token": bob.refresh });
    assert_is_empty(&log_out(&one.caller, Some(body)).await);
    one.assert_ended(&app).await;
    bob.assert_lives().await;
    let body = json!({ "refresh_token": "nonsense" });
    assert_is_empty(&log_out(&other.caller, Some(body)).await);
    other.assert_ended(&app).await;
}

#[tokio::test]
async fn whoever_has_no_valid_token_ends_nothing() {
    let (app, one, other, bob) = neighbours().await;
    let stranger = app.stranger();
    for body in [None, Some(json!({})), Some(json!({ "all": true }))] {
        let answer = log_out(&stranger, body.clone()).await;
        answer.problem(401, "missing_token");
        let answer = log_out(&stranger.with_token("nonsense"), body).await;
        answer.problem(401, "invalid_token");
    }
    state::change(
        &app,
        &format!(
            "UPDATE refresh_tokens SET expires_at = now() WHERE session_id = '{}'",
            one.id()
        ),
    );
    let unknown = format!("rt_{}", "A".repeat(43));
    for token in ["", "nonsense", &unknown, &one.refresh] {
        let body = json!({ "refresh_token": token, "all": true });
        let answer = log_out(&stranger, Some(body)).await;
        answer.problem(401, "invalid_token");
    }
    for session in [&one, &other, &bob] {
        session.assert_lives().await;
    }
}

#[tokio::test]
async fn a_refresh_token_used_before_ends_its_own_session_and_says_so() {
    let (app, one, other, _bob) = neighbours().await;
    let child = Session::of(&app, &refresh(&app, &one.refresh).await.expect(200));
    age_used_tokens(&app, "11 seconds");
    let body = json!({ "refresh_token": one.refresh, "all": true });
    let answer = log_out(&app.stranger(), Some(body)).await;
    answer.problem(401, "session_revoked");
    child.assert_ended(&app).await;
    other.assert_lives().await;
}

#[tokio::test]
async fn a_refresh_token_used_just_now_still_logs_out() {
    let (app, one, _other, _bob) = neighbours().await;
    let child = Session::of(&app, &refresh(&app, &one.refresh).await.expect(200));
    let body = json!({ "refresh_token": one.refresh });
    assert_is_empty(&log_out(&app.stranger(), Some(body)).await);
    child.assert_ended(&app).await;
}

#[tokio::test]
async fn no_header_or_host_name_keeps_anybody_from_logging_out() {
    let (app, _, _, bob) = neighbours().await;
    for (name, value) in [
        ("x-tenant-slug", "globex-inc"),
        ("host", "globex-inc.rowhouse.test"),
        ("x-tenant-id", "nonsense"),
    ] {
        let session = sign_in(&app, ALICE).await;
        let answer = log_out(&session.caller.with_header(name, value), None).await;
        assert_is_empty(&answer);
        session.assert_ended(&app).await;
    }
    bob.assert_lives().await;
}

#[tokio::test]
async fn who_stands_in_another_tenant_or_in_none_by_now_can_log_out() {
    let (app, one, other, _bob) = neighbours().await;
    state::change(&app, "UPDATE sessions SET tenant_id = NULL");
    for session in [&one, &other] {
        let answer = session.caller.get(ME).await;
        answer.problem(401, "token_stale");
        assert_is_empty(&log_out(&session.caller, None).await);
        session.assert_ended(&app).await;
    }
}

#[tokio::test]
async fn a_body_of_another_shape_ends_nothing() {
    let (app, one, _other, _bob) = neighbours().await;
    for (body, pointer, code) in [
        (json!({ "all": "true" }), "/all", "wrong_type"),
        (json!({ "all": 1 }), "/all", "wrong_type"),
        (
            json!({ "refresh_token": [] }),
            "/refresh_token",
            "wrong_type",
        ),
        (
            json!({ "everything": true }),
            "/everything",
            "unknown_field",
        ),
        (json!([]), "", "wrong_type"),
    ] {
        let answer = log_out(&one.caller, Some(body)).await;
        assert_eq!(answer.refusals(), refusal(pointer, code));
    }
    for (media_type, bytes, status, code) in [
        ("text/plain", "all", 415, "unsupported_media_type"),
        ("application/json", "{", 400, "malformed_json"),
        ("application/json", " ", 400, "malformed_json"),
    ] {
        let caller = one.caller.with_header("content-type", media_type);
        let answer = caller.send_bytes(Method::POST, LOGOUT, bytes).await;
        answer.problem(status, code);
    }
    one.assert_lives().await;
    let empty = one.caller.with_header("content-type", "application/json");
    let answer = empty.send_bytes(Method::POST, LOGOUT, "").await;
    assert_is_empty(&answer);
    one.assert_ended(&app).await;
}

#[tokio::test]
async fn sixteen_sessions_that_all_end_all_others_wait_in_no_circle() {
    let (app, _, _, bob) = neighbours().await;
    let mut sessions = Vec::new();
    for _ in 0..16 {
        sessions.push(sign_in(&app, ALICE).await);
    }
    // They start from the same line: none is through before several have looked.
    let mut line = app.database().superuser();
    line.batch_execute("BEGIN; SELECT id FROM sessions ORDER BY id FOR UPDATE")
        .unwrap();
    let mut callers = JoinSet::new();
    for session in sessions.clone() {
        callers.spawn(async move { log_out(&session.caller, Some(json!({ "all": true }))).await });
    }
    state::until_waiting(&app, 2).await;
    line.batch_execute("COMMIT").unwrap();
    let mut winners = 0;
    for answer in callers.join_all().await {
        if answer.status() == 204 {
            winners += 1;
        } else {
            answer.problem(401, "session_revoked");
        }
    }
    assert_eq!(winners, 1);
    for session in sessions {
        session
            .caller
            .get(PROJECTS)
            .await
            .problem(401, "session_revoked");
    }
    bob.assert_lives().await;
}

//! `POST /auth/password/change`.

use diesel::connection::SimpleConnection as _;
use rowhouse_tests::{Answer, Caller, TestApp};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::projects::refusal;
use crate::refresh::{refresh, sign_in};
use crate::state;

const CHANGE: &str = "/api/v1/auth/password/change";
const ALICE: &str = "alice@acme.example";
const OLD: &str = "securepass123";
const NEW: &str = "a better password";

fn change(current: &str, new: &str) -> Value {
    json!({ "current_password": current, "new_password": new })
}

async fn log_in(app: &TestApp, password: &str) -> Answer {
    let body = json!({ "email": ALICE, "password": password });
    app.stranger().post("/api/v1/auth/login", body).await
}

async fn assert_password_is(app: &TestApp, right: &str, wrong: &str) {
    let _ = log_in(app, right).await.expect(200);
    let answer = log_in(app, wrong).await;
    answer.problem(401, "invalid_credentials");
}

#[tokio::test]
async fn a_change_of_password_ends_every_other_session() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let (here, there) = (sign_in(&app, ALICE).await, sign_in(&app, ALICE).await);
    let answer = here.caller.post(CHANGE, change(OLD, NEW)).await.expect(204);
    assert_eq!(answer.text(), "");
    answer.assert_framed();
    there.assert_ended(&app).await;
    let answer = alice.get("/api/v1/projects").await;
    answer.problem(401, "session_revoked");
    for caller in [&here.caller, &bob] {
        let _ = caller.get("/api/v1/projects").await.expect(200);
    }
    let _ = refresh(&app, &here.refresh).await.expect(200);
    assert_password_is(&app, NEW, OLD).await;
    let bobs = json!({ "email": "bob@globex.example", "password": OLD });
    let _ = app.stranger().login(bobs).await;
    let changed = "credentials WHERE changed_at > (SELECT max(created_at) FROM accounts)";
    assert_eq!(state::count(&app, changed), 1);
    let plain = "credentials WHERE password_hash NOT LIKE '$2b$%'";
    assert_eq!(state::count(&app, plain), 0);
}

#[tokio::test]
async fn a_wrong_current_password_changes_nothing() {
    let (app, _alice, _bob) = TestApp::two_tenants().await;
    let (here, there) = (sign_in(&app, ALICE).await, sign_in(&app, ALICE).await);
    let long = "x".repeat(100_000);
    for wrong in [
        "",
        "wrong password",
        "Securepass123",
        "securepass123 ",
        &long,
    ] {
        let answer = here.caller.post(CHANGE, change(wrong, NEW)).await;
        answer.problem(401, "invalid_credentials");
        assert_eq!(
            answer.header("www-authenticate"),
            "Bearer realm=\"rowhouse\""
        );
    }
    for session in [&here, &there] {
        session.assert_lives().await;
    }
    assert_password_is(&app, OLD, NEW).await;
}

#[tokio::test]
async fn a_new_password_follows_the_rules_whatever_the_current_one() {
    let (app, _alice, _bob) = TestApp::two_tenants().await;
    let here = sign_in(&app, ALICE).await;
    for current in [OLD, "wrong password"] {
        for new in ["", "short12", &"x".repeat(72)] {
            let answer = here.caller.post(CHANGE, change(current, new)).await;
            assert_eq!(answer.refusals(), refusal("/new_password", "invalid"));
            assert!(!answer.text().contains(current));
        }
    }
    for (body, pointer, code) in [
        (
            json!({ "current_password": OLD }),
            "/new_password",
            "missing_field",
        ),
        (
            json!({ "new_password": NEW }),
            "/current_password",
            "missing_field",
        ),
        (change(OLD, "pass\0word"), "/new_password", "invalid"),
    ] {
        let answer = here.caller.post(CHANGE, body).await;
        assert_eq!(answer.refusals(), refusal(pointer, code));
    }
    assert_password_is(&app, OLD, NEW).await;
}

#[tokio::test]
async fn who_stands_in_no_tenant_and_a_managed_account_change_theirs() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    state::set_tenant_status(&app, "acme-corp", "suspended");
    let homeless = sign_in(&app, ALICE).await;
    assert_eq!(homeless.tenant(), None);
    let answer = homeless.caller.post(CHANGE, change(OLD, NEW)).await;
    let _ = answer.expect(204);
    assert_password_is(&app, NEW, OLD).await;
    alice
        .get("/api/v1/users/me")
        .await
        .problem(401, "session_revoked");

    state::set_tenant_status(&app, "acme-corp", "active");
    let body = json!({ "email": ALICE, "password": NEW, "tenant_slug": "acme-corp" });
    let viewer = app.stranger().login(body).await.colleague("viewer").await;
    let answer = viewer.post(CHANGE, change("correct horse", NEW)).await;
    let _ = answer.expect(204);
    let body =
        json!({ "email": "viewer@acme-corp.example", "password": NEW, "tenant_slug": "acme-corp" });
    let _ = app.stranger().login(body).await;
}

#[tokio::test]
async fn an_account_without_a_password_has_no_right_one() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    state::change(&app, "DELETE FROM credentials");
    for current in ["", OLD, "nobody's", "somebody's"] {
        let answer = alice.post(CHANGE, change(current, NEW)).await;
        answer.problem(401, "invalid_credentials");
    }
    assert_eq!(state::count(&app, "credentials"), 0);
}

#[tokio::test]
async fn of_eight_changes_at_once_one_counts() {
    let (app, _alice, _bob) = TestApp::two_tenants().await;
    let here = sign_in(&app, ALICE).await;
    let mut changes = JoinSet::new();
    for number in 0..8 {
        let caller: Caller = here.caller.clone();
        changes.spawn(async move {
            let new = format!("password number {number}");
            (caller.post(CHANGE, change(OLD, &new)).await, new)
        });
    }
    let mut winners = Vec::new();
    for (answer, new) in changes.join_all().await {
        if answer.status() == 204 {
            winners.push(new);
        } else {
            answer.problem(401, "invalid_credentials");
        }
    }
    assert_eq!(winners.len(), 1);
    assert_password_is(&app, &winners[0], OLD).await;
    here.assert_lives().await;
}

#[tokio::test]
async fn a_login_that_verified_the_old_password_comes_too_late() {
    let (app, _alice, _bob) = TestApp::two_tenants().await;
    let before = state::count(&app, "sessions");
    // Another hash of the same password, so that only the change itself can refuse.
    let mut changing = app.database().superuser();
    changing
        .batch_execute(
            "BEGIN; UPDATE credentials SET password_hash = (
                SELECT password_hash FROM credentials JOIN accounts ON id = account_id
                WHERE email = 'bob@globex.example')
             WHERE account_id = (SELECT id FROM accounts WHERE email = 'alice@acme.example')",
        )
        .unwrap();
    let stranger = app.stranger();
    let (login, registration) = (
        json!({ "email": ALICE, "password": OLD }),
        json!({ "email": ALICE, "password": OLD, "full_name": "A", "tenant_slug": "acme-labs" }),
    );
    let caller = stranger.clone();
    let login = tokio::spawn(async move { caller.post("/api/v1/auth/login", login).await });
    let registration =
        tokio::spawn(async move { stranger.post("/api/v1/auth/register", registration).await });
    state::until_waiting(&app, 2).await;
    changing.batch_execute("COMMIT").unwrap();
    login.await.unwrap().problem(401, "invalid_credentials");
    registration.await.unwrap().problem(409, "email_taken");
    assert_eq!(state::count(&app, "sessions"), before);
    let _ = log_in(&app, OLD).await.expect(200);
}

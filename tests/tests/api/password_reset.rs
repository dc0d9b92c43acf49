//! `POST /auth/password/forgot` and `…/reset`: a new password for whoever gets the mail.

use rowhouse_tests::{Answer, TestApp};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::projects::refusal;
use crate::refresh::{sign_in, sign_in_managed};
use crate::state;
use crate::verification::post;

const FORGOT: &str = "/api/v1/auth/password/forgot";
const RESET: &str = "/api/v1/auth/password/reset";
const ALICE: &str = "alice@acme.example";
const OLD: &str = "securepass123";
const NEW: &str = "a better password";

async fn reset(app: &TestApp, token: &str, password: &str) -> Answer {
    post(app, RESET, json!({ "token": token, "password": password })).await
}

async fn log_in(app: &TestApp, password: &str) -> Answer {
    let body = json!({ "email": ALICE, "password": password });
    post(app, "/api/v1/auth/login", body).await
}

/// The token of the `number`th mail to Alice, asked for now.
async fn forget(app: &TestApp, number: usize) -> String {
    let _ = post(app, FORGOT, json!({ "email": ALICE }))
        .await
        .expect(202);
    app.mail_to(ALICE, number).await.token()
}

/// Alice with her tenant, whose mail for the registration has come.
async fn registered() -> TestApp {
    let app = TestApp::start_with_mails().await;
    let _ = app.register(ALICE, "acme-corp").await;
    let _ = app.mail_to(ALICE, 1).await;
    app
}

#[tokio::test]
async fn a_reset_changes_the_password_and_ends_every_session() {
    let app = registered().await;
    let sessions = [sign_in(&app, ALICE).await, sign_in(&app, ALICE).await];
    let token = forget(&app, 2).await;
    // That somebody asked changes nothing.
    for session in &sessions {
        session.assert_lives().await;
    }
    let answer = reset(&app, &token, NEW).await.expect(204);
    assert_eq!(answer.text(), "");
    answer.assert_framed();
    for session in &sessions {
        session.assert_ended(&app).await;
    }
    log_in(&app, OLD).await.problem(401, "invalid_credentials");
    let token_answer = log_in(&app, NEW).await.expect(200).json();
    // The mail has arrived: the address is verified.
    assert_eq!(token_answer["user"]["email_verified"], true);
    // And once is once.
    reset(&app, &token, "yet another one")
        .await
        .problem(401, "invalid_token");
    let _ = log_in(&app, NEW).await.expect(200);
}

#[tokio::test]
async fn a_second_mail_ends_the_link_of_the_first_and_a_reset_ends_both() {
    let app = registered().await;
    let first = forget(&app, 2).await;
    let second = forget(&app, 3).await;
    reset(&app, &first, NEW).await.problem(401, "invalid_token");
    let _ = log_in(&app, OLD).await.expect(200);
    let _ = reset(&app, &second, NEW).await.expect(204);
    for token in [&first, &second] {
        reset(&app, token, OLD).await.problem(401, "invalid_token");
    }
    // The next one is good again.
    let third = forget(&app, 4).await;
    let _ = reset(&app, &third, OLD).await.expect(204);
}

#[tokio::test]
async fn of_eight_resets_at_once_one_counts() {
    let app = registered().await;
    let token = forget(&app, 2).await;
    let mut resets = JoinSet::new();
    for number in 0..8 {
        let (caller, password) = (app.stranger(), format!("password number {number}"));
        let body = json!({ "token": token, "password": password });
        resets.spawn(async move { (caller.post(RESET, body).await, password) });
    }
    let mut winners = Vec::new();
    for (answer, password) in resets.join_all().await {
        if answer.status() == 204 {
            winners.push(password);
        } else {
            answer.problem(401, "invalid_token");
        }
    }
    assert_eq!(winners.len(), 1);
    let _ = log_in(&app, &winners[0]).await.expect(200);
}

#[tokio::test]
async fn a_link_that_expired_or_is_of_another_kind_resets_nothing() {
    let app = registered().await;
    let verification = app.mail_to(ALICE, 1).await.token();
    let token = forget(&app, 2).await;
    let reference = reset(&app, "nonsense", NEW).await;
    reference.problem(401, "invalid_token");
    let answer = reset(&app, &verification, NEW).await;
    assert_eq!(answer.essence(), reference.essence());
    state::change(&app, "UPDATE account_tokens SET expires_at = now()");
    let answer = reset(&app, &token, NEW).await;
    assert_eq!(answer.essence(), reference.essence());
    let _ = log_in(&app, OLD).await.expect(200);
}

#[tokio::test]
async fn an_account_that_was_deleted_has_no_password_to_reset() {
    let app = registered().await;
    let token = forget(&app, 2).await;
    state::change(&app, "DELETE FROM credentials");
    reset(&app, &token, NEW).await.problem(401, "invalid_token");
    assert_eq!(state::count(&app, "credentials"), 0);
}

#[tokio::test]
async fn a_new_password_follows_the_rules_and_the_link_stays_good() {
    let app = registered().await;
    let token = forget(&app, 2).await;
    for bad in ["", "short12", &"x".repeat(72)] {
        let answer = reset(&app, &token, bad).await;
        assert_eq!(answer.refusals(), refusal("/password", "invalid"));
    }
    for (body, pointer, code) in [
        (json!({ "token": token }), "/password", "missing_field"),
        (json!({ "password": NEW }), "/token", "missing_field"),
        (
            json!({ "token": [], "password": NEW }),
            "/token",
            "wrong_type",
        ),
        (
            json!({ "token": token, "password": NEW, "x": 1 }),
            "/x",
            "unknown_field",
        ),
    ] {
        let answer = post(&app, RESET, body).await;
        assert_eq!(answer.refusals(), refusal(pointer, code));
    }
    let _ = reset(&app, &token, NEW).await.expect(204);
}

#[tokio::test]
async fn a_request_of_another_shape_is_refused() {
    let app = TestApp::start().await;
    for (body, pointer, code) in [
        (json!({}), "/email", "missing_field"),
        (json!({ "email": ["a@b.example"] }), "/email", "wrong_type"),
        (json!({ "email": "nobody" }), "/email", "invalid"),
        (
            json!({ "email": ALICE, "tenant_slug": "-" }),
            "/tenant_slug",
            "invalid",
        ),
        (
            json!({ "email": ALICE, "tenant_slug": 7 }),
            "/tenant_slug",
            "wrong_type",
        ),
        (json!({ "email": ALICE, "x": 7 }), "/x", "unknown_field"),
    ] {
        let answer = post(&app, FORGOT, body).await;
        assert_eq!(answer.refusals(), refusal(pointer, code));
    }
}

#[tokio::test]
async fn a_managed_account_is_named_by_its_tenant_as_at_sign_in() {
    let app = registered().await;
    let body = json!({ "email": ALICE, "password": OLD, "tenant_slug": "acme-corp" });
    let alice = app.stranger().login(body).await;
    let _ = alice.colleague("member").await;
    let email = "member@acme-corp.example";
    let session = sign_in_managed(&app, "member").await;
    let _ = app.mail_to(email, 1).await;
    // Another person, with a personal account of the same address.
    let personal = json!({ "email": email, "password": OLD, "full_name": "M" });
    let _ = post(&app, "/api/v1/auth/register", personal)
        .await
        .expect(201);
    let _ = app.mail_to(email, 2).await;

    let forgot = |slug: Value| json!({ "email": email, "tenant_slug": slug });
    let _ = post(&app, FORGOT, forgot(json!("acme-corp")))
        .await
        .expect(202);
    let managed = app.mail_to(email, 3).await.token();
    let _ = reset(&app, &managed, NEW).await.expect(204);
    session.assert_ended(&app).await;
    let login = |password: &str, slug: Value| json!({ "email": email, "password": password, "tenant_slug": slug });
    let _ = app.stranger().login(login(NEW, json!("acme-corp"))).await;
    let _ = app.stranger().login(login(OLD, Value::Null)).await;

    // Without a slug, or with one of a tenant that manages nobody of this address: the personal one.
    for (number, slug) in [(4, Value::Null), (5, json!("no-such-tenant"))] {
        let _ = post(&app, FORGOT, forgot(slug)).await.expect(202);
        let token = app.mail_to(email, number).await.token();
        let password = format!("password number {number}");
        let _ = reset(&app, &token, &password).await.expect(204);
        let _ = app.stranger().login(login(&password, Value::Null)).await;
        let _ = app.stranger().login(login(NEW, json!("acme-corp"))).await;
    }
}

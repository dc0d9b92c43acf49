//! A recent sign-in: what asks for one, and how a session gets it.

use reqwest::Method;
use rowhouse_tests::{Answer, Caller, TestApp};
use serde_json::{Value, json};

use crate::mfa::enable;
use crate::projects::refusal;
use crate::refresh::{ME, Session, refresh, sign_in};
use crate::{rows::context, state};

const STEP_UP: &str = "/api/v1/auth/step-up";
const TRANSFER: &str = "/api/v1/tenant/transfer-ownership";
const MFA: &str = "/api/v1/auth/mfa/totp";
const ALICE: &str = "alice@acme.example";

/// As if the sessions had been opened this long ago.
pub(crate) fn age_sign_ins(app: &TestApp, interval: &str) {
    state::change(
        app,
        &format!("UPDATE sessions SET authenticated_at = authenticated_at - interval '{interval}'"),
    );
}

fn assert_asks_for_it(answer: &Answer, max_age: &str) {
    answer.problem(401, "step_up_required");
    assert_eq!(
        answer.header("www-authenticate"),
        format!(
            "Bearer realm=\"rowhouse\", error=\"insufficient_user_authentication\", max_age=\"{max_age}\""
        )
    );
}

/// All that asks for a recent sign-in.
fn guarded() -> Vec<(Method, &'static str, Option<Value>)> {
    let id = "0198c0de-0000-7000-8000-000000000001";
    vec![
        (Method::POST, TRANSFER, Some(json!({ "user_id": id }))),
        (Method::POST, MFA, None),
        (Method::DELETE, MFA, None),
        (Method::DELETE, "/api/v1/tenant", None),
        (Method::DELETE, ME, None),
    ]
}

async fn assert_all_ask(caller: &Caller) {
    for (method, path, body) in guarded() {
        assert_asks_for_it(&caller.send(method, path, body).await, "900");
    }
}

#[tokio::test]
async fn what_cannot_be_undone_asks_for_a_recent_sign_in() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let session = sign_in(&app, ALICE).await;
    age_sign_ins(&app, "899 seconds");
    // 404: it was let in, and found nothing.
    let nobody = json!({ "user_id": "0198c0de-0000-7000-8000-000000000001" });
    alice
        .post(TRANSFER, nobody.clone())
        .await
        .problem(404, "not_found");
    age_sign_ins(&app, "2 seconds");
    for caller in [&alice, &session.caller] {
        assert_all_ask(caller).await;
        let _ = caller.get("/api/v1/projects").await.expect(200);
    }
    assert_eq!(state::count(&app, "totp_secrets"), 0);
    // Neither a refresh nor a switch is a sign-in.
    let session = Session::of(&app, &refresh(&app, &session.refresh).await.expect(200));
    assert_all_ask(&session.caller).await;
    let slug = json!({ "tenant_slug": "acme-corp" });
    let _ = session
        .caller
        .post("/api/v1/auth/switch", slug)
        .await
        .expect(200);
    assert_all_ask(&session.caller).await;

    let body = json!({ "password": "securepass123" });
    let answer = session.caller.post(STEP_UP, body).await.expect(204);
    assert_eq!(answer.text(), "");
    answer.assert_framed();
    session
        .caller
        .post(TRANSFER, nobody)
        .await
        .problem(404, "not_found");
    // It is the session that proved itself, not the account.
    assert_all_ask(&alice).await;
}

#[tokio::test]
async fn a_wrong_password_steps_nobody_up() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    age_sign_ins(&app, "1 hour");
    for password in ["", "wrong password", "securepass123 ", &"x".repeat(10_000)] {
        let answer = alice.post(STEP_UP, json!({ "password": password })).await;
        answer.problem(401, "invalid_credentials");
    }
    for (body, pointer, code) in [
        (json!({}), "/password", "missing_field"),
        (json!({ "password": null }), "/password", "wrong_type"),
        (
            json!({ "password": "x", "email": ALICE }),
            "/email",
            "unknown_field",
        ),
        (json!({ "password": "x", "totp": 1 }), "/totp", "wrong_type"),
    ] {
        let answer = alice.post(STEP_UP, body).await;
        assert_eq!(answer.refusals(), refusal(pointer, code));
    }
    assert_all_ask(&alice).await;
    let body = json!({ "password": "securepass123" });
    let _ = bob.post(STEP_UP, body).await.expect(204);
    assert_all_ask(&alice).await;
}

#[tokio::test]
async fn with_a_second_factor_the_password_is_not_enough() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let phone = enable(&app, &alice).await;
    age_sign_ins(&app, "1 hour");
    let step_up = |totp: Value| {
        let body = json!({ "password": "securepass123", "totp": totp });
        let alice = alice.clone();
        async move { alice.post(STEP_UP, body).await }
    };
    step_up(Value::Null).await.problem(401, "mfa_required");
    for wrong in [phone.used.clone(), phone.code(4), "123".to_owned()] {
        let answer = step_up(json!(wrong)).await;
        answer.problem(401, "invalid_credentials");
    }
    assert_all_ask(&alice).await;
    let _ = step_up(json!(phone.code(0))).await.expect(204);
    let _ = alice.delete(MFA).await.expect(204);
}

#[tokio::test]
async fn how_recent_is_a_setting() {
    let app = TestApp::start_with(|_, services| services.step_up_max_age_seconds = 60).await;
    let alice = app.register(ALICE, "acme-corp").await;
    age_sign_ins(&app, "61 seconds");
    let answer = alice.send(Method::POST, MFA, None).await;
    assert_asks_for_it(&answer, "60");
}

#[tokio::test]
async fn the_database_itself_refuses_an_old_sign_in() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let ask = || {
        app.tenants().run(context(&alice), |conn| {
            store::memberships::require_recent_sign_in(conn, 900)
        })
    };
    ask().await.unwrap();
    age_sign_ins(&app, "1 hour");
    let refused = ask().await.unwrap_err();
    assert!(
        matches!(refused, store::Error::StepUpRequired { .. }),
        "{refused:?}"
    );
}

//! `POST /auth/verify-email` and `…/resend`, and what `auth.require_verified_email` makes of
//! registration and sign-in. The tokens come out of the mails.

use rowhouse_tests::{Answer, Setup, TestApp, Work};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::projects::refusal;
use crate::registration::founder;
use crate::state;

const VERIFY: &str = "/api/v1/auth/verify-email";
const RESEND: &str = "/api/v1/auth/verify-email/resend";
const REGISTER: &str = "/api/v1/auth/register";
const LOGIN: &str = "/api/v1/auth/login";
const ALICE: &str = "alice@acme.example";
const BOB: &str = "bob@globex.example";

pub(crate) async fn post(app: &TestApp, path: &str, body: Value) -> Answer {
    app.stranger().post(path, body).await
}

async fn verify(app: &TestApp, token: &str) -> Answer {
    post(app, VERIFY, json!({ "token": token })).await
}

fn verified(app: &TestApp) -> i64 {
    state::count(app, "accounts WHERE email_verified")
}

async fn strict() -> TestApp {
    TestApp::start_as(Setup {
        require_verified_email: true,
        worker: Some(Work::default()),
        ..Setup::default()
    })
    .await
}

#[tokio::test]
async fn a_registration_brings_a_mail_whose_link_verifies_the_address_once() {
    let app = TestApp::start_with_mails().await;
    let alice = app.register(ALICE, "acme-corp").await;
    let me = alice.get("/api/v1/users/me").await.json();
    assert_eq!(me["email_verified"], false);
    let mail = app.mail_to(ALICE, 1).await;
    assert_eq!(mail.subject, "Please confirm your address");
    let token = mail.token();
    assert!(mail.source.contains(&format!(
        "\n\nhttps://app.rowhouse.test/verify-email?token={token}\n\n"
    )));
    let answer = verify(&app, &token).await.expect(204);
    assert_eq!(answer.text(), "");
    answer.assert_framed();
    let me = alice.get("/api/v1/users/me").await.json();
    assert_eq!(me["email_verified"], true);
    verify(&app, &token).await.problem(401, "invalid_token");
    // Who has nothing to verify gets no mail.
    let _ = post(&app, RESEND, json!({ "email": ALICE }))
        .await
        .expect(202);
    let _ = app.register(BOB, "globex-inc").await;
    let _ = app.mail_to(BOB, 1).await;
    state::until(&app, "account_mails WHERE status <> 'done'", 0).await;
    assert_eq!(app.mails().len(), 2);
}

#[tokio::test]
async fn nothing_of_a_token_rests_in_the_database_but_its_hash() {
    let app = TestApp::start_with_mails().await;
    let _ = app.register(ALICE, "acme-corp").await;
    let token = app.mail_to(ALICE, 1).await.token();
    let (_, encoded) = token.split_once('_').unwrap();
    let bytes = format!("decode(translate('{encoded}', '-_', '+/'), 'base64')");
    let hashed = format!("account_tokens WHERE hash = sha256({bytes})");
    assert_eq!(state::count(&app, &hashed), 1);
    for table in ["account_tokens", "account_mails"] {
        let clear = format!("{table} t WHERE to_jsonb(t)::text LIKE '%{encoded}%'");
        assert_eq!(state::count(&app, &clear), 0, "{table}");
    }
}

#[tokio::test]
async fn a_second_mail_ends_the_link_of_the_first() {
    let app = TestApp::start_with_mails().await;
    let _ = app.register(ALICE, "acme-corp").await;
    let first = app.mail_to(ALICE, 1).await.token();
    let _ = post(&app, RESEND, json!({ "email": ALICE }))
        .await
        .expect(202);
    let second = app.mail_to(ALICE, 2).await.token();
    assert_ne!(first, second);
    verify(&app, &first).await.problem(401, "invalid_token");
    assert_eq!(verified(&app), 0);
    let _ = verify(&app, &second).await.expect(204);
    assert_eq!(verified(&app), 1);
}

#[tokio::test]
async fn of_eight_uses_of_one_link_at_once_one_counts() {
    let app = TestApp::start_with_mails().await;
    let _ = app.register(ALICE, "acme-corp").await;
    let token = app.mail_to(ALICE, 1).await.token();
    let mut uses = JoinSet::new();
    for _ in 0..8 {
        let (caller, body) = (app.stranger(), json!({ "token": token }));
        uses.spawn(async move { caller.post(VERIFY, body).await });
    }
    let answers = uses.join_all().await;
    let (good, bad): (Vec<_>, Vec<_>) = answers.iter().partition(|it| it.status() == 204);
    assert_eq!((good.len(), bad.len()), (1, 7));
    for answer in bad {
        answer.problem(401, "invalid_token");
    }
}

#[tokio::test]
async fn what_is_no_link_of_this_kind_verifies_nothing() {
    let app = TestApp::start_with_mails().await;
    let alice = app.register(ALICE, "acme-corp").await;
    let token = app.mail_to(ALICE, 1).await.token();
    let body = json!({ "email": ALICE });
    let _ = post(&app, "/api/v1/auth/password/forgot", body)
        .await
        .expect(202);
    let reset = app.mail_to(ALICE, 2).await.token();
    let reference = verify(&app, "mt_").await;
    reference.problem(401, "invalid_token");
    let mut forged = token.clone();
    let last = if forged.pop() == Some('A') { 'Q' } else { 'A' };
    forged.push(last);
    for other in [
        "",
        "nonsense",
        &reset,
        &forged,
        alice.token(),
        &token.to_uppercase(),
        &format!("{token}A"),
        &format!(" {token}"),
        &"x".repeat(100_000),
    ] {
        let answer = verify(&app, other).await;
        assert_eq!(answer.essence(), reference.essence(), "{other:.60}");
    }
    state::change(&app, "UPDATE account_tokens SET expires_at = now()");
    let answer = verify(&app, &token).await;
    assert_eq!(answer.essence(), reference.essence());
    assert_eq!(verified(&app), 0);
}

#[tokio::test]
async fn bodies_of_another_shape_are_refused() {
    let app = TestApp::start().await;
    for (path, body, pointer, code) in [
        (VERIFY, json!({}), "/token", "missing_field"),
        (VERIFY, json!({ "token": 7 }), "/token", "wrong_type"),
        (VERIFY, json!({ "token": null }), "/token", "wrong_type"),
        (
            VERIFY,
            json!({ "token": "", "x": 1 }),
            "/x",
            "unknown_field",
        ),
        (RESEND, json!({}), "/email", "missing_field"),
        (RESEND, json!({ "email": 7 }), "/email", "wrong_type"),
        (RESEND, json!({ "email": "nobody" }), "/email", "invalid"),
        (
            RESEND,
            json!({ "email": "a@b.example\r\nBcc: c@d.example" }),
            "/email",
            "invalid",
        ),
        (
            RESEND,
            json!({ "email": format!("{}@b.example", "x".repeat(300)) }),
            "/email",
            "invalid",
        ),
        (
            RESEND,
            json!({ "email": ALICE, "tenant_slug": "x" }),
            "/tenant_slug",
            "unknown_field",
        ),
    ] {
        let answer = post(&app, path, body.clone()).await;
        assert_eq!(answer.refusals(), refusal(pointer, code), "{path} {body}");
    }
    assert_eq!(state::count(&app, "account_mails"), 0);
}

#[tokio::test]
async fn a_mail_that_is_asked_for_is_the_same_request_for_anybody() {
    let (app, _alice, _bob) = TestApp::two_tenants().await;
    state::change(
        &app,
        "DELETE FROM account_mails; UPDATE accounts SET email_verified = true WHERE email LIKE 'bob%'",
    );
    for path in [RESEND, "/api/v1/auth/password/forgot"] {
        let known = post(&app, path, json!({ "email": ALICE }))
            .await
            .expect(202);
        for other in [BOB, "nobody@nowhere.example"] {
            let answer = post(&app, path, json!({ "email": other })).await;
            assert_eq!(answer.essence(), known.essence());
        }
    }
    // One row each, whoever it is: no account was looked up.
    let rows = "account_mails WHERE status = 'queued' AND token_id IS NULL";
    assert_eq!(state::count(&app, rows), 6);
    assert_eq!(state::count(&app, "account_tokens"), 0);
}

#[tokio::test]
async fn an_unknown_address_gets_no_mail() {
    let app = TestApp::start_with_mails().await;
    for path in [RESEND, "/api/v1/auth/password/forgot"] {
        let _ = post(&app, path, json!({ "email": "nobody@nowhere.example" }))
            .await
            .expect(202);
    }
    state::until(&app, "account_mails WHERE status = 'done'", 2).await;
    assert_eq!(app.mails().len(), 0);
    assert_eq!(state::count(&app, "account_tokens"), 0);
}

#[tokio::test]
async fn a_registration_that_fails_asks_for_no_mail() {
    let app = TestApp::start().await;
    let _ = app.register(ALICE, "acme-corp").await;
    let before = state::count(&app, "account_mails");
    let answer = post(&app, REGISTER, founder(BOB, "acme-corp")).await;
    answer.problem(403, "signup_closed");
    assert_eq!(state::count(&app, "account_mails"), before);
}

#[tokio::test]
async fn where_addresses_must_be_verified_registration_tells_nobody_who_exists() {
    let app = strict().await;
    let answer = post(&app, REGISTER, founder(ALICE, "acme-corp"))
        .await
        .expect(202);
    assert_eq!(answer.json(), json!({ "status": "verification_sent" }));
    assert_eq!(state::count(&app, "sessions"), 0);
    let _ = app.mail_to(ALICE, 1).await;
    let accounts = state::rows(&app, "accounts");
    let tenants = state::rows(&app, "tenants");
    for password in ["securepass123", "another password"] {
        let mut again = founder(ALICE, "acme-labs");
        again["password"] = json!(password);
        let known = post(&app, REGISTER, again).await;
        assert_eq!(known.essence(), answer.essence());
    }
    let mail = app.mail_to(ALICE, 3).await;
    assert_eq!(mail.subject, "You have an account already");
    assert!(!mail.source.contains("token="));
    assert_eq!(state::rows(&app, "accounts"), accounts);
    assert_eq!(state::rows(&app, "tenants"), tenants);
    // What else can be wrong is wrong for both.
    for email in [ALICE, BOB] {
        let answer = post(&app, REGISTER, founder(email, "acme-corp")).await;
        answer.problem(403, "signup_closed");
    }
    assert_eq!(state::rows(&app, "accounts"), accounts);
}

#[tokio::test]
async fn where_addresses_must_be_verified_nobody_signs_in_before() {
    let app = strict().await;
    let _ = post(&app, REGISTER, founder(ALICE, "acme-corp"))
        .await
        .expect(202);
    let token = app.mail_to(ALICE, 1).await.token();
    let login = |password: &str| json!({ "email": ALICE, "password": password });
    let answer = post(&app, LOGIN, login("securepass123")).await;
    answer.problem(403, "email_not_verified");
    // Only who knows the password learns that.
    let answer = post(&app, LOGIN, login("another password")).await;
    answer.problem(401, "invalid_credentials");
    assert_eq!(state::count(&app, "sessions"), 0);
    let _ = verify(&app, &token).await.expect(204);
    let alice = app.stranger().login(login("securepass123")).await;
    let _ = alice.create_project("Atlas").await;
    // For the address of a managed account its tenant answers.
    let _ = alice.colleague("member").await;
}

#[tokio::test]
async fn a_tenant_open_to_a_domain_takes_in_who_has_verified_an_address_there() {
    let app = TestApp::start_with_mails().await;
    let _ = app.register(ALICE, "acme-corp").await;
    state::change(
        &app,
        "UPDATE tenants SET signup = 'domain', signup_domains = '{globex.example}' WHERE slug = 'acme-corp'",
    );
    let account = json!({ "email": BOB, "password": "securepass123", "full_name": "Bob" });
    let _ = post(&app, REGISTER, account).await.expect(201);
    let join = founder(BOB, "acme-corp");
    let answer = post(&app, REGISTER, join.clone()).await;
    answer.problem(403, "signup_closed");
    let token = app.mail_to(BOB, 1).await.token();
    let _ = verify(&app, &token).await.expect(204);
    let answer = post(&app, REGISTER, join).await.expect(201);
    assert_eq!(answer.json()["tenant"]["role"], "member");
}

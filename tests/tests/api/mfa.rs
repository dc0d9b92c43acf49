//! The second factor: codes of an authenticator app, and recovery codes, each good once.

use chrono::{DateTime, Duration, Utc};
use rowhouse_tests::{Answer, Caller, TestApp, secret_keys};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use auth::{SealedTotp, SecretKeys, TotpKeys, TotpSecret};
use diesel::prelude::*;
use diesel::sql_types::{Binary, Text};
use domain::AccountId;
use std::sync::Arc;

use crate::projects::refusal;
use crate::refresh::{Session, refresh, sign_in};
use crate::{rows::principal, state};

const BEGIN: &str = "/api/v1/auth/mfa/totp";
const CONFIRM: &str = "/api/v1/auth/mfa/totp/confirm";
const ME: &str = "/api/v1/users/me";
const ALICE: &str = "alice@acme.example";
const PASSWORD: &str = "securepass123";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    kid: String,
    #[diesel(sql_type = Binary)]
    sealed: Vec<u8>,
}

/// What an authenticator app knows: the secret, as the database keeps it.
pub(crate) struct App {
    secret: TotpSecret,
    pub(crate) recovery_codes: Vec<String>,
    /// The code that was used to confirm it.
    pub(crate) used: String,
}

impl App {
    /// The code that the app shows a few steps of 30 seconds from now.
    pub(crate) fn code(&self, steps: i64) -> String {
        let moment: DateTime<Utc> = Utc::now() + Duration::seconds(30 * steps);
        self.secret.code_at(moment).unwrap()
    }
}

fn sealed(app: &TestApp, account: AccountId) -> SealedTotp {
    let sql = format!("SELECT kid, sealed FROM totp_secrets WHERE account_id = '{account}'");
    let row: Row = diesel::sql_query(sql)
        .get_result(&mut app.database().superuser())
        .unwrap();
    SealedTotp {
        kid: row.kid,
        bytes: row.sealed,
    }
}

async fn begin(app: &TestApp, caller: &Caller) -> App {
    let answer = caller
        .send(reqwest::Method::POST, BEGIN, None)
        .await
        .expect(201);
    let account = principal(caller).account;
    let keys = TotpKeys::derive(&secret_keys()).unwrap();
    let secret = keys.open(account, &sealed(app, account)).unwrap();
    let body = answer.json();
    assert_eq!(body["secret"], secret.reveal());
    let codes = body["recovery_codes"].as_array().unwrap();
    App {
        secret,
        recovery_codes: codes
            .iter()
            .map(|code| code.as_str().unwrap().to_owned())
            .collect(),
        used: String::new(),
    }
}

/// Gives the caller's account a second factor, by the code of the step before.
pub(crate) async fn enable(app: &TestApp, caller: &Caller) -> App {
    let mut phone = begin(app, caller).await;
    phone.used = phone.code(-1);
    let body = json!({ "totp": phone.used });
    let _ = caller.post(CONFIRM, body).await.expect(204);
    phone
}

async fn log_in(app: &TestApp, password: &str, totp: Value) -> Answer {
    let body = json!({ "email": ALICE, "password": password, "totp": totp });
    app.stranger().post("/api/v1/auth/login", body).await
}

fn assert_mfa_required(answer: &Answer) {
    answer.problem(401, "mfa_required");
    assert_eq!(
        answer.header("www-authenticate"),
        "Bearer realm=\"rowhouse\""
    );
}

#[tokio::test]
async fn what_is_begun_counts_once_it_is_confirmed() {
    let app = TestApp::start().await;
    let alice = app.register(ALICE, "acme-corp").await;
    let answer = alice
        .send(reqwest::Method::POST, BEGIN, None)
        .await
        .expect(201);
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.assert_framed();
    let body = answer.json();
    let secret = body["secret"].as_str().unwrap();
    assert_eq!(
        body["otpauth_url"],
        format!("otpauth://totp/Rowhouse:alice%40acme.example?secret={secret}&issuer=Rowhouse")
    );
    assert_eq!(body["recovery_codes"].as_array().unwrap().len(), 10);
    assert_eq!(alice.get(ME).await.json()["mfa_enabled"], false);
    let _ = log_in(&app, PASSWORD, Value::Null).await.expect(200);

    // What is shown once is not kept to be repeated.
    let repeatable = alice.with_header("idempotency-key", "1");
    let answer = repeatable.send(reqwest::Method::POST, BEGIN, None).await;
    answer.problem(400, "idempotency_key_not_allowed");

    // A second beginning takes the place of the first.
    let phone = begin(&app, &alice).await;
    assert_ne!(phone.secret.reveal(), secret);
    assert_eq!(state::count(&app, "recovery_codes"), 10);
    let confirmed = alice.post(CONFIRM, json!({ "totp": phone.code(0) })).await;
    assert_eq!(confirmed.expect(204).text(), "");
    assert_eq!(alice.get(ME).await.json()["mfa_enabled"], true);
    assert_mfa_required(&log_in(&app, PASSWORD, Value::Null).await);
    // Neither again.
    let again = alice.send(reqwest::Method::POST, BEGIN, None).await;
    again.problem(409, "conflict");
    let again = alice.post(CONFIRM, json!({ "totp": phone.code(1) })).await;
    again.problem(409, "conflict");

    let _ = alice.delete(BEGIN).await.expect(204);
    assert_eq!(alice.get(ME).await.json()["mfa_enabled"], false);
    let _ = log_in(&app, PASSWORD, Value::Null).await.expect(200);
    for table in ["totp_secrets", "recovery_codes"] {
        assert_eq!(state::count(&app, table), 0, "{table}");
    }
    alice.delete(BEGIN).await.problem(404, "not_found");
}

#[tokio::test]
async fn only_the_right_code_confirms() {
    let app = TestApp::start().await;
    let alice = app.register(ALICE, "acme-corp").await;
    let early = alice.post(CONFIRM, json!({ "totp": "123456" })).await;
    early.problem(409, "conflict");
    let phone = begin(&app, &alice).await;
    for wrong in [
        "",
        "12345",
        &phone.code(3),
        &phone.code(-3),
        &phone.recovery_codes[0],
        &"1".repeat(64),
    ] {
        let answer = alice.post(CONFIRM, json!({ "totp": wrong })).await;
        answer.problem(401, "invalid_credentials");
    }
    for (body, pointer, code) in [
        (json!({}), "/totp", "missing_field"),
        (json!({ "totp": 123_456 }), "/totp", "wrong_type"),
        (json!({ "totp": "1", "x": 1 }), "/x", "unknown_field"),
    ] {
        let answer = alice.post(CONFIRM, body).await;
        assert_eq!(answer.refusals(), refusal(pointer, code));
    }
    assert_eq!(alice.get(ME).await.json()["mfa_enabled"], false);
    let _ = log_in(&app, PASSWORD, Value::Null).await.expect(200);
}

#[tokio::test]
async fn a_code_of_the_app_opens_one_session() {
    let app = TestApp::start().await;
    let alice = app.register(ALICE, "acme-corp").await;
    let phone = enable(&app, &alice).await;
    let before = state::count(&app, "sessions");
    // The confirmation has used this step up.
    log_in(&app, PASSWORD, json!(phone.used))
        .await
        .problem(401, "invalid_credentials");
    let code = phone.code(0);
    let token = log_in(&app, PASSWORD, json!(code)).await.expect(200).json();
    assert_eq!(token["user"]["mfa_enabled"], true);
    for replayed in [code, phone.used.clone()] {
        log_in(&app, PASSWORD, json!(replayed))
            .await
            .problem(401, "invalid_credentials");
    }
    for wrong in ["", "abcdef", &phone.code(4), &phone.code(-4)] {
        log_in(&app, PASSWORD, json!(wrong))
            .await
            .problem(401, "invalid_credentials");
    }
    assert_eq!(state::count(&app, "sessions"), before + 1);
    let _ = log_in(&app, PASSWORD, json!(phone.code(1)))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_second_factor_is_asked_of_whoever_knows_the_password_only() {
    let app = TestApp::start().await;
    let alice = app.register(ALICE, "acme-corp").await;
    let phone = enable(&app, &alice).await;
    let reference = log_in(&app, "wrong password", Value::Null).await;
    reference.problem(401, "invalid_credentials");
    for totp in [json!(""), json!("123456"), json!(phone.code(0))] {
        let answer = log_in(&app, "wrong password", totp).await;
        assert_eq!(answer.essence(), reference.essence());
    }
    let wrong_code = log_in(&app, PASSWORD, json!(phone.code(5))).await;
    assert_eq!(wrong_code.essence(), reference.essence());
    let nobody = json!({ "email": "nobody@acme.example", "password": PASSWORD, "totp": "123456" });
    let nobody = app.stranger().post("/api/v1/auth/login", nobody).await;
    assert_eq!(nobody.essence(), reference.essence());
    // A wrong password has used no code up.
    let _ = log_in(&app, PASSWORD, json!(phone.code(0)))
        .await
        .expect(200);
}

#[tokio::test]
async fn of_sixteen_who_present_one_code_at_once_one_gets_in() {
    let app = TestApp::start().await;
    let alice = app.register(ALICE, "acme-corp").await;
    let phone = enable(&app, &alice).await;
    for code in [phone.code(0), phone.recovery_codes[0].clone()] {
        let mut logins = JoinSet::new();
        for _ in 0..16 {
            let caller = app.stranger();
            let body = json!({ "email": ALICE, "password": PASSWORD, "totp": code });
            logins.spawn(async move { caller.post("/api/v1/auth/login", body).await });
        }
        let mut winners = 0;
        for answer in logins.join_all().await {
            match answer.status() {
                200 => winners += 1,
                _ => drop(answer.problem(401, "invalid_credentials")),
            }
        }
        assert_eq!(winners, 1, "{code}");
    }
}

#[tokio::test]
async fn each_recovery_code_is_good_once_and_for_its_account_only() {
    let app = TestApp::start().await;
    let alice = app.register(ALICE, "acme-corp").await;
    let phone = enable(&app, &alice).await;
    let bob = app.register("bob@globex.example", "globex-inc").await;
    let bobs = enable(&app, &bob).await;
    for code in &phone.recovery_codes {
        let typed = code.to_uppercase().replace('-', " ");
        let _ = log_in(&app, PASSWORD, json!(typed)).await.expect(200);
        log_in(&app, PASSWORD, json!(code))
            .await
            .problem(401, "invalid_credentials");
    }
    for code in [&bobs.recovery_codes[0], &bobs.code(0)] {
        log_in(&app, PASSWORD, json!(code))
            .await
            .problem(401, "invalid_credentials");
    }
    let unused = "recovery_codes WHERE used_at IS NULL";
    assert_eq!(state::count(&app, unused), 10);
}

#[tokio::test]
async fn registration_is_no_way_around_it() {
    let app = TestApp::start().await;
    let alice = app.register(ALICE, "acme-corp").await;
    let phone = enable(&app, &alice).await;
    let mut body = json!({ "email": ALICE, "password": PASSWORD, "full_name": "Alice", "tenant_slug": "acme-labs" });
    let register = |body: Value| {
        let caller = app.stranger();
        async move { caller.post("/api/v1/auth/register", body).await }
    };
    assert_mfa_required(&register(body.clone()).await);
    body["totp"] = json!(phone.code(4));
    register(body.clone())
        .await
        .problem(401, "invalid_credentials");
    body["password"] = json!("wrong password");
    body["totp"] = json!(phone.code(0));
    register(body.clone()).await.problem(409, "email_taken");
    assert_eq!(state::count(&app, "tenants"), 1);
    body["password"] = json!(PASSWORD);
    assert_eq!(
        register(body).await.expect(201).json()["tenant"]["slug"],
        "acme-labs"
    );
}

#[tokio::test]
async fn what_goes_on_asks_for_no_code() {
    let app = TestApp::start().await;
    let alice = app.register(ALICE, "acme-corp").await;
    let session = sign_in(&app, ALICE).await;
    let phone = enable(&app, &alice).await;
    let _ = refresh(&app, &session.refresh).await.expect(200);
    let slug = json!({ "tenant_slug": "acme-corp" });
    let _ = session
        .caller
        .post("/api/v1/auth/switch", slug)
        .await
        .expect(200);
    let body = json!({ "current_password": PASSWORD, "new_password": "a better password" });
    let _ = session
        .caller
        .post("/api/v1/auth/password/change", body)
        .await
        .expect(204);
    assert_mfa_required(&log_in(&app, "a better password", Value::Null).await);
    let answer = log_in(&app, "a better password", json!(phone.code(0))).await;
    assert_eq!(answer.expect(200).json()["user"]["mfa_enabled"], true);
}

#[tokio::test]
async fn of_a_second_factor_nothing_is_kept_in_the_clear() {
    let app = TestApp::start().await;
    let alice = app.register(ALICE, "acme-corp").await;
    let phone = enable(&app, &alice).await;
    let row = sealed(&app, principal(&alice).account);
    let secret = phone.secret.reveal();
    assert!(!String::from_utf8_lossy(&row.bytes).contains(&secret));
    // 12 of nonce, 20 of secret, 16 of tag: and the 20 are not the secret.
    assert_eq!(row.bytes.len(), 48);
    let others = TotpKeys::derive(&SecretKeys::new("another".into(), vec![])).unwrap();
    assert!(others.open(principal(&alice).account, &row).is_err());
    for code in &phone.recovery_codes {
        let clear = format!(
            "recovery_codes WHERE encode(hash, 'escape') LIKE '%{code}%' OR octet_length(hash) <> 32"
        );
        assert_eq!(state::count(&app, &clear), 0);
    }
}

#[tokio::test]
async fn a_second_factor_outlives_its_secret_key() {
    let app = TestApp::start().await;
    let alice = app.register(ALICE, "acme-corp").await;
    let phone = enable(&app, &alice).await;
    let current = secret_keys().current().clone();
    let rotated = SecretKeys::new("a newer secret key, thirty-two bytes".into(), vec![current]);
    let keys = Arc::new(TotpKeys::derive(&rotated).unwrap());
    let beside = {
        let keys = Arc::clone(&keys);
        app.start_beside(move |_, services| services.totp_keys = keys)
            .await
    };
    let _ = log_in(&beside, PASSWORD, json!(phone.code(0)))
        .await
        .expect(200);

    // What a server with the new key does when it starts.
    let pool = tenant_db::PoolSettings {
        connections: 1,
        ..tenant_db::PoolSettings::default()
    };
    let identity = store::IdentityDb::connect(&app.database().url("rowhouse_auth"), &pool).unwrap();
    assert_eq!(identity.reseal_totp(Arc::clone(&keys)).await.unwrap(), 1);
    assert_eq!(identity.reseal_totp(Arc::clone(&keys)).await.unwrap(), 0);
    let newest = SecretKeys::new(rotated.current().clone(), vec![]);
    let newest = Arc::new(TotpKeys::derive(&newest).unwrap());
    let later = app
        .start_beside(move |_, services| services.totp_keys = newest)
        .await;
    let _ = log_in(&later, PASSWORD, json!(phone.code(1)))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_managed_account_has_its_own() {
    let app = TestApp::start().await;
    let alice = app.register(ALICE, "acme-corp").await;
    let viewer = alice.colleague("viewer").await;
    let phone = enable(&app, &viewer).await;
    assert_eq!(alice.get(ME).await.json()["mfa_enabled"], false);
    let mut body = json!({ "email": "viewer@acme-corp.example", "password": "correct horse", "tenant_slug": "acme-corp" });
    assert_mfa_required(
        &app.stranger()
            .post("/api/v1/auth/login", body.clone())
            .await,
    );
    body["totp"] = json!(phone.code(0));
    let _ = app.stranger().login(body).await;
    let _ = log_in(&app, PASSWORD, Value::Null).await.expect(200);
}

#[tokio::test]
async fn a_session_that_was_opened_without_it_cannot_take_it_away() {
    let app = TestApp::start().await;
    let alice = app.register(ALICE, "acme-corp").await;
    let other = Session::of(&app, &log_in(&app, PASSWORD, Value::Null).await.expect(200));
    let phone = enable(&app, &alice).await;
    other
        .caller
        .delete(BEGIN)
        .await
        .problem(401, "step_up_required");
    let body = json!({ "password": PASSWORD, "totp": phone.code(0) });
    let _ = other
        .caller
        .post("/api/v1/auth/step-up", body)
        .await
        .expect(204);
    let _ = other.caller.delete(BEGIN).await.expect(204);
}

#[tokio::test]
async fn what_is_longer_than_any_code_is_refused_whether_one_is_asked_for_or_not() {
    let app = TestApp::start().await;
    let alice = app.register(ALICE, "acme-corp").await;
    let login = |totp: String| {
        let body = json!({ "email": ALICE, "password": PASSWORD, "totp": totp });
        let caller = app.stranger();
        async move { caller.post("/api/v1/auth/login", body).await }
    };
    let refused = [("/totp".to_owned(), "invalid".to_owned())];
    assert_eq!(login("ü".repeat(65)).await.refusals(), refused);
    let _ = login("ü".repeat(64)).await.expect(200);
    let body = json!({ "totp": "1".repeat(65) });
    let confirmed = alice.post("/api/v1/auth/mfa/totp/confirm", body).await;
    assert_eq!(confirmed.refusals(), refused);
}

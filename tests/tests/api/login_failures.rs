//! How many sign-ins may fail: exact among many at once and over several servers, and the same for
//! addresses that nobody has.

use std::sync::Arc;

use api::Services;
use auth::{PasswordSettings, PasswordThreads};
use rowhouse_tests::{Answer, Caller, TestApp};
use serde_json::{Value, json};
use store::LoginLimit;
use tokio::task::JoinSet;

use crate::mfa::enable;
use crate::refresh::sign_in;
use crate::state;

const ALICE: &str = "alice@acme.example";
const RIGHT: &str = "securepass123";
const WRONG: &str = "wrong password";

fn ten(services: &mut Services) {
    services.login_limit = LoginLimit {
        failures: 10,
        window_minutes: 15,
    };
}

async fn start() -> TestApp {
    TestApp::start_with(|_, services| ten(services)).await
}

fn credentials(email: &str, password: &str) -> Value {
    json!({ "email": email, "password": password })
}

async fn log_in(caller: &Caller, email: &str, password: &str) -> Answer {
    caller
        .post("/api/v1/auth/login", credentials(email, password))
        .await
}

async fn fail(caller: &Caller, email: &str, times: usize) {
    for _ in 0..times {
        let answer = log_in(caller, email, WRONG).await;
        answer.problem(401, "invalid_credentials");
    }
}

fn assert_is_full(answer: &Answer) {
    let body = answer.problem(429, "too_many_attempts");
    assert_eq!(body["limit"], "address");
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=900).contains(&seconds), "{seconds}");
}

fn age(app: &TestApp, interval: &str) {
    state::change(
        app,
        &format!("UPDATE login_failures SET attempted_at = attempted_at - interval '{interval}'"),
    );
}

#[tokio::test]
async fn after_ten_failures_not_even_the_right_password_is_compared() {
    let app = start().await;
    let _ = app.register(ALICE, "acme-corp").await;
    let stranger = app.stranger();
    fail(&stranger, ALICE, 10).await;
    let sessions = state::count(&app, "sessions");
    for email in [ALICE, "Alice@ACME.example"] {
        for password in [WRONG, RIGHT] {
            assert_is_full(&log_in(&stranger, email, password).await);
        }
    }
    for slug in ["acme-corp", "no-such-tenant", "No Slug"] {
        let mut body = credentials(ALICE, RIGHT);
        body["tenant_slug"] = json!(slug);
        assert_is_full(&stranger.post("/api/v1/auth/login", body).await);
    }
    assert_eq!(state::count(&app, "sessions"), sessions);
    // Somebody else is not hindered.
    let _ = app.register("bob@globex.example", "globex-inc").await;
    let bob = log_in(&stranger, "bob@globex.example", RIGHT).await;
    let _ = bob.expect(200);
}

#[tokio::test]
async fn an_address_that_nobody_has_is_refused_alike() {
    let app = start().await;
    let _ = app.register(ALICE, "acme-corp").await;
    let stranger = app.stranger();
    for email in ["nobody@acme.example", "no address", ""] {
        fail(&stranger, email, 10).await;
        assert_is_full(&log_in(&stranger, email, WRONG).await);
    }
    fail(&stranger, ALICE, 10).await;
    // Until the very same second, so that the header agrees too.
    state::change(&app, "UPDATE login_failures SET attempted_at = now()");
    let known = log_in(&stranger, ALICE, WRONG).await;
    let unknown = log_in(&stranger, "nobody@acme.example", WRONG).await;
    let without_clock = |answer: &Answer| {
        let (status, mut headers, body) = answer.essence();
        assert!(headers.remove("retry-after").is_some());
        (status, headers, body)
    };
    assert_eq!(without_clock(&known), without_clock(&unknown));
}

#[tokio::test]
async fn a_failure_counts_for_fifteen_minutes() {
    let app = start().await;
    let _ = app.register(ALICE, "acme-corp").await;
    let stranger = app.stranger();
    fail(&stranger, ALICE, 4).await;
    age(&app, "10 minutes");
    fail(&stranger, ALICE, 6).await;
    let answer = log_in(&stranger, ALICE, RIGHT).await;
    assert_is_full(&answer);
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!((200..=300).contains(&seconds), "{seconds}");
    // The first four are over, the window slides: four more, and no fifth.
    age(&app, "5 minutes");
    fail(&stranger, ALICE, 4).await;
    assert_is_full(&log_in(&stranger, ALICE, RIGHT).await);
    age(&app, "15 minutes");
    let _ = log_in(&stranger, ALICE, RIGHT).await.expect(200);
}

#[tokio::test]
async fn a_success_forgets_the_failures_before_it() {
    let app = start().await;
    let _ = app.register(ALICE, "acme-corp").await;
    for _ in 0..3 {
        fail(&app.stranger(), ALICE, 9).await;
        let _ = log_in(&app.stranger(), ALICE, RIGHT).await.expect(200);
        assert_eq!(state::count(&app, "login_failures"), 0);
    }
}

#[tokio::test]
async fn a_neighbours_account_of_the_same_address_opens_no_second_try() {
    let app = start().await;
    let _ = app.register(ALICE, "acme-corp").await;
    // Mallory's own tenant has an account of Alice's address, whose password Mallory knows.
    let mallory = app.register("mallory@evil.example", "evil-corp").await;
    let body =
        json!({ "email": ALICE, "full_name": "A", "role": "viewer", "password": "correct horse" });
    let _ = mallory.post("/api/v1/users", body).await.expect(201);
    let mut own = credentials(ALICE, "correct horse");
    own["tenant_slug"] = json!("evil-corp");
    for _ in 0..3 {
        fail(&app.stranger(), ALICE, 3).await;
        let answer = app.stranger().post("/api/v1/auth/login", own.clone()).await;
        let _ = answer.expect(200);
    }
    fail(&app.stranger(), ALICE, 1).await;
    assert_is_full(&log_in(&app.stranger(), ALICE, WRONG).await);
}

#[tokio::test]
async fn of_sixty_four_at_once_on_two_servers_ten_are_compared() {
    let app = start().await;
    let _ = app.register(ALICE, "acme-corp").await;
    let beside = app.start_beside(|_, services| ten(services)).await;
    for email in [ALICE, "nobody@acme.example"] {
        let mut logins = JoinSet::new();
        for number in 0..64 {
            let caller = if number % 2 == 0 { &app } else { &beside }.stranger();
            let body = credentials(email, WRONG);
            logins.spawn(async move { caller.post("/api/v1/auth/login", body).await });
        }
        let mut compared = 0;
        for answer in logins.join_all().await {
            if answer.status() == 401 {
                answer.problem(401, "invalid_credentials");
                compared += 1;
            } else {
                assert_is_full(&answer);
            }
        }
        assert_eq!(compared, 10, "{email}");
    }
}

/// Every sign-in gives the slots of all others back while those are after new ones.
#[tokio::test]
async fn sixty_four_who_are_right_at_once_all_get_in() {
    let app = start().await;
    let _ = app.register(ALICE, "acme-corp").await;
    let beside = app.start_beside(|_, services| ten(services)).await;
    for _ in 0..4 {
        let mut logins = JoinSet::new();
        for number in 0..64 {
            let caller = if number % 2 == 0 { &app } else { &beside }.stranger();
            let body = credentials(ALICE, RIGHT);
            logins.spawn(async move { caller.post("/api/v1/auth/login", body).await });
        }
        for answer in logins.join_all().await {
            let _ = answer.expect(200);
        }
        assert_eq!(state::count(&app, "login_failures"), 0);
    }
}

#[tokio::test]
async fn what_compares_a_password_or_a_code_counts_on_one_account() {
    let app = start().await;
    let alice = app.register(ALICE, "acme-corp").await;
    let change = json!({ "current_password": WRONG, "new_password": "a better password" });
    let step_up = json!({ "password": WRONG });
    let registration = json!({ "email": ALICE, "password": WRONG, "full_name": "A" });
    let confirm = json!({ "totp": "000000" });
    let _ = alice
        .send(reqwest::Method::POST, "/api/v1/auth/mfa/totp", None)
        .await
        .expect(201);
    let routes = [
        ("/api/v1/auth/password/change", change, 401),
        ("/api/v1/auth/step-up", step_up, 401),
        ("/api/v1/auth/register", registration, 409),
        ("/api/v1/auth/mfa/totp/confirm", confirm, 401),
        ("/api/v1/auth/login", credentials(ALICE, WRONG), 401),
    ];
    for round in 0..2 {
        for (path, body, status) in &routes {
            let answer = alice.post(path, body.clone()).await;
            assert_eq!(answer.status(), *status, "{path} {round}");
        }
    }
    for (path, body, _) in &routes {
        assert_is_full(&alice.post(path, body.clone()).await);
    }
    // What compares nothing goes on.
    let _ = alice.get("/api/v1/projects").await.expect(200);
    let somebody = json!({ "email": "new@acme.example", "password": RIGHT, "full_name": "N" });
    let registered = alice.post("/api/v1/auth/register", somebody).await;
    let _ = registered.expect(201);
}

#[tokio::test]
async fn a_wrong_code_counts_and_a_missing_one_does_not() {
    let app = start().await;
    let alice = app.register(ALICE, "acme-corp").await;
    let phone = enable(&app, &alice).await;
    let with = |totp: Value| {
        let body = json!({ "email": ALICE, "password": RIGHT, "totp": totp });
        let caller = app.stranger();
        async move { caller.post("/api/v1/auth/login", body).await }
    };
    for _ in 0..12 {
        with(Value::Null).await.problem(401, "mfa_required");
    }
    assert_eq!(state::count(&app, "login_failures"), 0);
    for _ in 0..10 {
        with(json!(phone.code(5)))
            .await
            .problem(401, "invalid_credentials");
    }
    assert_is_full(&with(json!(phone.code(0))).await);
}

#[tokio::test]
async fn another_address_is_counted_apart_and_an_ipv6_network_is_one() {
    let app = TestApp::start_with(|state, services| {
        ten(services);
        state.settings.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let _ = app.register(ALICE, "acme-corp").await;
    let from = |address: &str| app.stranger().with_header("x-forwarded-for", address);
    fail(&from("203.0.113.1"), ALICE, 10).await;
    assert_is_full(&log_in(&from("203.0.113.1"), ALICE, RIGHT).await);
    let _ = log_in(&from("203.0.113.2"), ALICE, RIGHT).await.expect(200);
    // What stands left of the proxy's own word anybody may have written.
    assert_is_full(&log_in(&from("6.6.6.6, 203.0.113.1"), ALICE, RIGHT).await);
    for host in 1..=10 {
        fail(&from(&format!("2001:db8:1:2:{host}::1")), ALICE, 1).await;
    }
    assert_is_full(&log_in(&from("2001:db8:1:2:ffff::1"), ALICE, RIGHT).await);
    let _ = log_in(&from("2001:db8:1:3::1"), ALICE, RIGHT)
        .await
        .expect(200);
}

#[tokio::test]
async fn what_no_window_holds_any_more_is_removed() {
    let app = start().await;
    for number in 0..5 {
        fail(&app.stranger(), &format!("nobody{number}@acme.example"), 2).await;
    }
    assert_eq!(state::count(&app, "login_failures"), 10);
    age(&app, "16 minutes");
    fail(&app.stranger(), ALICE, 1).await;
    assert_eq!(state::count(&app, "login_failures"), 1);
    let clear = "login_failures WHERE encode(email_hash, 'escape') LIKE '%alice%'";
    assert_eq!(state::count(&app, clear), 0);
}

#[tokio::test]
async fn a_sign_in_that_its_client_gave_up_counts() {
    let app = start().await;
    let _ = app.register(ALICE, "acme-corp").await;
    fail(&app.stranger(), ALICE, 10).await;
    // As if the last one were still being compared: the next waits for it, and is then refused.
    state::change(
        &app,
        "UPDATE login_failures SET is_open = true, attempted_at = now() - interval '31 seconds'",
    );
    assert_is_full(&log_in(&app.stranger(), ALICE, RIGHT).await);
}

#[tokio::test]
async fn a_dearer_cost_hashes_anew_and_refuses_nobody() {
    let app = start().await;
    let _ = app.register(ALICE, "acme-corp").await;
    let session = sign_in(&app, ALICE).await;
    let cost = |cost: u32| {
        let hashes = format!("credentials WHERE password_hash LIKE '$2b$0{cost}$%'");
        state::count(&app, &hashes)
    };
    assert_eq!((cost(4), cost(5)), (1, 0));
    let changed = "credentials WHERE changed_at <> (SELECT max(created_at) FROM accounts)";
    let before = state::count(&app, changed);
    let dearer = app
        .start_beside(|_, services| {
            services.passwords = PasswordThreads::new(PasswordSettings {
                cost: 5,
                threads: 4,
                ..PasswordSettings::default()
            })
            .unwrap();
        })
        .await;
    let refused = log_in(&dearer.stranger(), ALICE, WRONG).await;
    refused.problem(401, "invalid_credentials");
    assert_eq!((cost(4), cost(5)), (1, 0));
    // Many at once: each has compared the old hash, one replaces it, all get in.
    let mut logins = JoinSet::new();
    let dearer = Arc::new(dearer);
    for _ in 0..8 {
        let caller = dearer.stranger();
        logins.spawn(async move { log_in(&caller, ALICE, RIGHT).await });
    }
    for answer in logins.join_all().await {
        let _ = answer.expect(200);
    }
    assert_eq!((cost(4), cost(5)), (0, 1));
    // It is the same password: nobody was signed out, and the older server takes it too.
    session.assert_lives().await;
    assert_eq!(state::count(&app, changed), before);
    let _ = log_in(&app.stranger(), ALICE, RIGHT).await.expect(200);
    assert_eq!((cost(4), cost(5)), (0, 1));
    let body = json!({ "current_password": RIGHT, "new_password": "a better password" });
    let changed = session.caller.post("/api/v1/auth/password/change", body);
    let _ = changed.await.expect(204);
    assert_eq!(
        state::count(&app, "credentials WHERE rehash_of IS NOT NULL"),
        0
    );
}

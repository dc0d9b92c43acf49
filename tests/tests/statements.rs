//! How many round trips to the database a request makes. The counter sees every connection of the
//! process, so these tests have a binary of their own, and run one at a time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::{InstrumentationEvent, set_default_instrumentation};
use diesel::prelude::*;
use domain::TenantId;
use rowhouse_tests::{Answer, Caller, TestApp};
use serde_json::{Value, json};
use store::TenantPlans;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

static STATEMENTS: AtomicUsize = AtomicUsize::new(0);

static ALONE: Mutex<()> = Mutex::const_new(());

fn count(event: &InstrumentationEvent<'_>) {
    if let InstrumentationEvent::StartQuery { query, .. } = event {
        // What is written behind requests is no request's.
        let query = query.to_string();
        if query.contains("directory.deny(") || query.contains("directory.note_reads(") {
            return;
        }
        STATEMENTS.fetch_add(1, Ordering::SeqCst);
    }
}

/// The least of a few reads: the first on a connection prepares its statement.
async fn statements_of(caller: &Caller, path: &str) -> usize {
    let mut least = usize::MAX;
    for _ in 0..8 {
        let before = STATEMENTS.load(Ordering::SeqCst);
        drop(caller.get(path).await.expect(200));
        least = least.min(STATEMENTS.load(Ordering::SeqCst) - before);
    }
    least
}

/// The least of a few refused logins: the first on a connection prepares its statements.
async fn statements_of_refused_login(caller: &Caller, body: &Value, status: u16) -> usize {
    let mut least = usize::MAX;
    for _ in 0..8 {
        let before = STATEMENTS.load(Ordering::SeqCst);
        let answer = caller.post("/api/v1/auth/login", body.clone()).await;
        drop(answer.expect(status));
        least = least.min(STATEMENTS.load(Ordering::SeqCst) - before);
    }
    least
}

#[tokio::test]
async fn a_refused_login_asks_as_much_for_somebody_unknown_as_for_somebody_known() {
    let _alone = ALONE.lock().await;
    set_default_instrumentation(|| Some(Box::new(|event: InstrumentationEvent<'_>| count(&event))))
        .unwrap();
    let (app, alice, _) = TestApp::two_tenants().await;
    let _ = alice.colleague("member").await;
    // Bob has a second factor, which nobody without the password gets to know.
    diesel::sql_query("UPDATE accounts SET mfa_enabled = true WHERE email = 'bob@globex.example'")
        .execute(&mut app.database().superuser())
        .unwrap();
    let stranger = app.stranger();
    for slug in [Value::Null, json!("acme-corp"), json!("no-such-tenant")] {
        let login = |email: &str| json!({ "email": email, "password": "wrong password", "tenant_slug": slug });
        let unknown = login("nobody@acme.example");
        let expected = statements_of_refused_login(&stranger, &unknown, 401).await;
        for email in [
            "alice@acme.example",
            "bob@globex.example",
            "member@acme-corp.example",
        ] {
            let asked = statements_of_refused_login(&stranger, &login(email), 401).await;
            assert_eq!(asked, expected, "{email} {slug}");
        }
    }
}

#[tokio::test]
async fn too_many_failures_are_refused_with_as_much_asked_for_somebody_unknown() {
    let _alone = ALONE.lock().await;
    set_default_instrumentation(|| Some(Box::new(|event: InstrumentationEvent<'_>| count(&event))))
        .unwrap();
    let app = TestApp::start_with(|_, services| services.login_limit.failures = 1).await;
    let _ = app.register("alice@acme.example", "acme-corp").await;
    let stranger = app.stranger();
    let mut asked = Vec::new();
    for email in ["alice@acme.example", "nobody@acme.example"] {
        let body = json!({ "email": email, "password": "wrong password", "totp": "123456" });
        let failed = stranger.post("/api/v1/auth/login", body.clone()).await;
        drop(failed.expect(401));
        asked.push(statements_of_refused_login(&stranger, &body, 429).await);
    }
    assert_eq!(asked[0], asked[1]);
}

/// Every list, and one thing of each kind: path and round trips. In a tenant's context they are
/// prologue, query, COMMIT; an account's are BEGIN, the session, the query, COMMIT.
const READS: [(&str, usize); 25] = [
    ("/api/v1/projects/{project}", 3),
    ("/api/v1/projects?limit=100", 3),
    ("/api/v1/resources/{resource}", 3),
    ("/api/v1/resources?limit=100", 3),
    ("/api/v1/resources/{resource}/versions?limit=100", 4),
    ("/api/v1/resources/{resource}/versions/1", 4),
    ("/api/v1/users/{user}", 3),
    ("/api/v1/users?limit=100", 3),
    ("/api/v1/invitations?limit=100", 3),
    ("/api/v1/invitations/{invitation}", 3),
    ("/api/v1/roles?limit=100", 3),
    ("/api/v1/roles/{role}", 3),
    ("/api/v1/api-keys?limit=100", 3),
    ("/api/v1/api-keys/{key}", 3),
    ("/api/v1/tenant/usage", 3),
    ("/api/v1/tenant/features", 3),
    // Besides the query, and the object: who has set its fields, and which members those were.
    ("/api/v1/projects/{project}/history?limit=100", 6),
    ("/api/v1/resources/{resource}/history?limit=100", 6),
    ("/api/v1/users/{user}/history?limit=100", 6),
    // Besides the query: which members those were.
    ("/api/v1/audit/events?limit=100", 4),
    ("/api/v1/audit/denials?limit=100", 4),
    ("/api/v1/audit/reads?limit=100", 4),
    // One portion: where it ends, how large the events are, and as above.
    ("/api/v1/audit/events/export?format=jsonl&limit=10", 9),
    ("/api/v1/users/me/sessions?limit=100", 4),
    ("/api/v1/users/me/tenants", 4),
];

#[tokio::test]
async fn a_read_makes_as_many_round_trips_for_many_rows_as_for_one() {
    let _alone = ALONE.lock().await;
    set_default_instrumentation(|| Some(Box::new(|event: InstrumentationEvent<'_>| count(&event))))
        .unwrap();
    let (app, alice, _) = TestApp::two_tenants().await;
    let project = alice.create_project("First").await.id();
    let user = alice.get("/api/v1/users").await.json()["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let body = json!({ "name": "auditor", "based_on": "viewer", "permissions": [] });
    let role = alice.post("/api/v1/roles", body).await.expect(201).id();
    let body = json!({ "email": "i@acme.example", "role": "viewer" });
    let invitation = alice
        .post("/api/v1/invitations", body)
        .await
        .expect(201)
        .id();
    let (key, _) = alice.create_key(&["projects:read"]).await;
    let body = json!({ "project_id": project, "name": "First" });
    let resource = alice.post("/api/v1/resources", body).await.expect(201).id();
    let change = async |name: String| {
        let path = format!("/api/v1/resources/{resource}");
        drop(
            alice
                .patch(&path, json!({ "name": name }))
                .await
                .expect(200),
        );
    };
    change("Second".to_owned()).await;
    // Somebody who was refused.
    let viewer = alice.colleague("viewer").await;
    drop(viewer.get("/api/v1/roles").await.expect(403));
    let denials = async || alice.get("/api/v1/audit/denials").await.expect(200).json();
    while denials().await["data"] == json!([]) {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let reads = READS.map(|(path, expected)| {
        let path = path.replace("{project}", &project).replace("{user}", &user);
        let path = path.replace("{role}", &role).replace("{key}", &key);
        let path = path.replace("{invitation}", &invitation);
        let path = path.replace("{resource}", &resource);
        (path, expected)
    });
    for (path, expected) in &reads {
        assert_eq!(statements_of(&alice, path).await, *expected, "{path}");
    }
    for number in 0..30 {
        alice.create_project(&format!("Project {number}")).await;
        let body = json!({ "project_id": project, "name": "x" });
        drop(alice.post("/api/v1/resources", body).await.expect(201));
        change(format!("Version {number}")).await;
        let email = format!("user{number}@acme.example");
        let body = json!({ "email": email, "full_name": "x", "role": "viewer", "password": "correct horse" });
        drop(alice.post("/api/v1/users", body).await.expect(201));
        let body =
            json!({ "name": format!("role_{number}"), "based_on": "viewer", "permissions": [] });
        drop(alice.post("/api/v1/roles", body).await.expect(201));
        alice.create_key(&["projects:read"]).await;
        let body = json!({ "email": format!("i{number}@acme.example"), "role": "viewer" });
        drop(alice.post("/api/v1/invitations", body).await.expect(201));
        let body = json!({ "email": "alice@acme.example", "password": "securepass123", "full_name": "Alice",
            "tenant_slug": format!("tenant-{number}") });
        drop(
            app.stranger()
                .post("/api/v1/auth/register", body)
                .await
                .expect(201),
        );
    }
    for (path, expected) in &reads {
        assert_eq!(
            statements_of(&alice, path).await,
            *expected,
            "{path} with many rows"
        );
    }
}

#[tokio::test]
async fn a_key_costs_one_round_trip_more_than_a_token_and_a_bad_one_always_the_same() {
    let _alone = ALONE.lock().await;
    set_default_instrumentation(|| Some(Box::new(|event: InstrumentationEvent<'_>| count(&event))))
        .unwrap();
    let (app, alice, _) = TestApp::two_tenants().await;
    let (_, key) = alice.create_key(&["projects:read"]).await;
    let token = statements_of(&alice, "/api/v1/projects").await;
    assert_eq!(statements_of(&key, "/api/v1/projects").await, token + 1);
    // What needs no caller looks up none.
    assert_eq!(statements_of(&key, "/health").await, 0);

    let (revoked_id, revoked) = alice.create_key(&["projects:read"]).await;
    let revoked_path = format!("/api/v1/api-keys/{revoked_id}");
    drop(alice.delete(&revoked_path).await.expect(204));
    let text = key.token();
    let (prefix, secret) = text.split_at(15);
    let mixed = format!("{prefix}{}", revoked.token().split_at(15).1);
    let cut = format!("{prefix}{}", secret.split_at(40).0);
    for bad in [revoked.token(), "rh_nonsense", &mixed, &cut] {
        let caller = app.stranger().with_token(bad);
        let mut least = usize::MAX;
        for _ in 0..8 {
            let before = STATEMENTS.load(Ordering::SeqCst);
            drop(caller.get("/api/v1/projects").await.expect(401));
            least = least.min(STATEMENTS.load(Ordering::SeqCst) - before);
        }
        assert_eq!(least, 1, "{bad}");
    }
}

/// The least of a few new projects; `key` names each.
async fn statements_of_a_new_project(
    caller: &Caller,
    key: impl Fn(usize) -> Option<String>,
) -> usize {
    let mut least = usize::MAX;
    for number in 0..8 {
        let caller = match key(number) {
            Some(key) => caller.with_header("idempotency-key", &key),
            None => caller.clone(),
        };
        let before = STATEMENTS.load(Ordering::SeqCst);
        drop(caller.create_project("Atlas").await);
        least = least.min(STATEMENTS.load(Ordering::SeqCst) - before);
    }
    least
}

/// Prologue, INSERT, COMMIT. A key is taken in one round trip more, its answer kept in another, and
/// given again in the one that takes it.
#[tokio::test]
async fn an_idempotency_key_costs_two_round_trips_and_nobody_else_pays_for_it() {
    let _alone = ALONE.lock().await;
    set_default_instrumentation(|| Some(Box::new(|event: InstrumentationEvent<'_>| count(&event))))
        .unwrap();
    let (_app, alice, _) = TestApp::two_tenants().await;
    assert_eq!(statements_of_a_new_project(&alice, |_| None).await, 3);
    let new = |number| Some(format!("key-{number}"));
    assert_eq!(statements_of_a_new_project(&alice, new).await, 5);
    let again = |_| Some("key-0".to_owned());
    assert_eq!(statements_of_a_new_project(&alice, again).await, 3);
}

/// By tenant, user or key, and by address: not one statement, however many are refused.
#[tokio::test]
async fn who_asks_too_often_costs_the_database_nothing() {
    let _alone = ALONE.lock().await;
    set_default_instrumentation(|| Some(Box::new(|event: InstrumentationEvent<'_>| count(&event))))
        .unwrap();
    let number = |n| std::num::NonZeroU32::new(n).unwrap();
    let settings = api::RateLimitSettings {
        address_burst: number(1_000_000),
        auth_per_minute: number(1),
        auth_burst: number(4),
        user_per_minute: Some(number(1)),
        user_burst: Some(number(4)),
        ..api::RateLimitSettings::default()
    };
    let limiter = rate_limit::Limiter::local();
    let limits = api::RateLimits::new(settings, api::TiersSettings::default(), limiter);
    let limits = limits.with_loopback();
    let app = TestApp::start_with(|state, _| state.rate_limits = limits).await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let (_, key) = alice.create_key(&["projects:read"]).await;
    until_it_hears(&app).await;
    for caller in [&alice, &key] {
        while caller.get("/api/v1/projects").await.status() != 429 {}
        assert_eq!(
            least_cost_of_50_refusals(|| caller.get("/api/v1/projects")).await,
            0
        );
    }
    let stranger = app.stranger();
    let login = || {
        let body = json!({ "email": "alice@acme.example", "password": "securepass123" });
        stranger.post("/api/v1/auth/login", body)
    };
    while login().await.status() != 429 {}
    assert_eq!(least_cost_of_50_refusals(login).await, 0);
}

/// Of a few attempts: an ear that is tested meanwhile counts as well.
async fn least_cost_of_50_refusals<F: Future<Output = Answer>>(ask: impl Fn() -> F) -> usize {
    let mut least = usize::MAX;
    for _ in 0..3 {
        let before = STATEMENTS.load(Ordering::SeqCst);
        for _ in 0..50 {
            drop(ask().await.expect(429));
        }
        least = least.min(STATEMENTS.load(Ordering::SeqCst) - before);
    }
    least
}

async fn until_it_hears(app: &TestApp) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !app.plans().hears() {
        assert!(Instant::now() < deadline, "nobody listens");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether all of them are answered.
async fn many_ask(plans: &TenantPlans, tenant: TenantId) -> bool {
    let mut asking = JoinSet::new();
    for _ in 0..64 {
        let plans = plans.clone();
        asking.spawn(async move { plans.find(tenant).await.is_ok() });
    }
    asking.join_all().await.into_iter().all(|answered| answered)
}

/// A plan is asked for once, however many want it, and not at all while it is remembered.
#[tokio::test]
async fn a_plan_that_many_ask_for_costs_one_round_trip() {
    let _alone = ALONE.lock().await;
    set_default_instrumentation(|| Some(Box::new(|event: InstrumentationEvent<'_>| count(&event))))
        .unwrap();
    let (app, alice, _) = TestApp::two_tenants().await;
    let id = alice.get("/api/v1/tenant").await.expect(200).json()["id"].clone();
    let id = TenantId::from(id.as_str().unwrap().parse::<uuid::Uuid>().unwrap());
    until_it_hears(&app).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    // Connections that are made meanwhile, and an ear that is tested, count as well.
    let (mut first, mut later) = (usize::MAX, usize::MAX);
    for _ in 0..8 {
        let byte = id.uuid().as_bytes()[15];
        diesel::sql_query(format!("NOTIFY tenant_plans, '{byte}'"))
            .execute(&mut app.database().superuser())
            .unwrap();
        let before = STATEMENTS.load(Ordering::SeqCst);
        // Until it is heard nothing is asked.
        while STATEMENTS.load(Ordering::SeqCst) == before {
            assert!(Instant::now() < deadline, "nobody hears");
            assert!(many_ask(app.plans(), id).await);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        first = first.min(STATEMENTS.load(Ordering::SeqCst) - before);
        let before = STATEMENTS.load(Ordering::SeqCst);
        assert!(many_ask(app.plans(), id).await);
        later = later.min(STATEMENTS.load(Ordering::SeqCst) - before);
    }
    assert_eq!((first, later), (1, 0));
}

#[test]
fn every_list_is_counted() {
    for (path, methods) in api::routes::list() {
        let is_read = path.starts_with("/api/") && methods.iter().any(|method| method == "GET");
        let is_alone = ["/api/v1/users/me", "/api/v1/tenant"].contains(&path);
        if is_read && !is_alone {
            let start = path.split('{').next().unwrap();
            assert!(
                READS.iter().any(|(read, _)| read.starts_with(start)),
                "add {path} to READS, with the round trips that it may make"
            );
        }
    }
}

//! How many requests of whom are served.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use api::{RateLimitSettings, RateLimits, TierSettings, TiersSettings};
use diesel::prelude::*;
use rate_limit::{Limiter, OnFailure, RedisSettings};
use rowhouse_tests::{Answer, Caller, Redis, TestApp};
use serde_json::json;

const PROJECTS: &str = "/api/v1/projects";
const LOGIN: &str = "/api/v1/auth/login";

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

/// Everybody's tier: one request a minute, so many at once.
fn tiers(burst: u32) -> TiersSettings {
    let tier = TierSettings {
        rate_limit_per_minute: number(1),
        rate_limit_burst: number(burst),
    };
    TiersSettings {
        free: tier,
        basic: tier,
        premium: tier,
        enterprise: tier,
    }
}

fn limits(burst: u32) -> RateLimits {
    RateLimits::new(RateLimitSettings::default(), tiers(burst), Limiter::local())
}

/// Those of users and keys are two.
fn limits_of_users(burst: u32) -> RateLimits {
    let settings = RateLimitSettings {
        user_per_minute: Some(number(1)),
        user_burst: Some(number(2)),
        ..RateLimitSettings::default()
    };
    RateLimits::new(settings, tiers(burst), Limiter::local())
}

/// Five of an address at once, two of them to sign in.
fn limits_of_addresses() -> RateLimits {
    let settings = RateLimitSettings {
        address_per_minute: number(1),
        address_burst: number(5),
        auth_per_minute: number(1),
        auth_burst: number(2),
        ..RateLimitSettings::default()
    };
    RateLimits::new(settings, TiersSettings::default(), Limiter::local()).with_loopback()
}

async fn app(limits: RateLimits) -> TestApp {
    TestApp::start_with(|state, _| state.rate_limits = limits).await
}

/// Two tenants on a server with these limits; they have drawn from nothing yet.
async fn two_tenants(limits: RateLimits) -> (TestApp, Caller, Caller) {
    let app = app(limits).await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let bob = app.register("bob@globex.example", "globex-inc").await;
    (app, alice, bob)
}

/// The policies that an answer speaks of, with what is left.
fn left(answer: &Answer) -> Vec<(String, u32)> {
    let text = answer.header("ratelimit");
    let items = text.split(", ").filter(|item| !item.is_empty());
    items
        .map(|item| {
            let (policy, rest) = item.split_once(";r=").unwrap();
            let (left, seconds) = rest.split_once(";t=").unwrap();
            assert!(seconds.parse::<u32>().is_ok(), "{text}");
            (policy.trim_matches('"').to_owned(), left.parse().unwrap())
        })
        .collect()
}

#[track_caller]
fn assert_refused(answer: &Answer, limit: &str) {
    let problem = answer.problem(429, "rate_limited");
    assert_eq!(problem["limit"], limit);
    let seconds: u32 = answer.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert!(
        left(answer).iter().any(|(_, left)| *left == 0),
        "{answer:?}"
    );
    assert!(!answer.header("ratelimit-policy").is_empty());
}

/// How many of so many requests are served; the others are too many.
async fn served(caller: &Caller, path: &str, requests: u32) -> u32 {
    let mut served = 0;
    for _ in 0..requests {
        let answer = caller.get(path).await;
        match answer.status() {
            200 => served += 1,
            _ => drop(answer.problem(429, "rate_limited")),
        }
    }
    served
}

#[tokio::test]
async fn a_tenant_has_the_burst_of_its_tier_and_is_told_how_it_stands() {
    let (_app, alice, bob) = two_tenants(limits(6)).await;
    for used in 1..=6 {
        let answer = alice.get(PROJECTS).await.expect(200);
        assert_eq!(
            left(&answer),
            [
                ("tenant".to_owned(), 6 - used),
                ("user".to_owned(), 6 - used)
            ]
        );
        assert_eq!(
            answer.header("ratelimit-policy"),
            r#""tenant";q=1;w=60;rowhouse-burst=6, "user";q=1;w=60;rowhouse-burst=6"#
        );
        assert_eq!(answer.header("retry-after"), "");
    }
    for path in [PROJECTS, "/api/v1/users/me", "/api/v1/nowhere", "/users/me"] {
        let answer = alice.get(path).await;
        if path == "/api/v1/nowhere" {
            // No route, no bucket.
            answer.problem(404, "not_found");
        } else {
            assert_refused(&answer, "tenant");
        }
    }
    // A neighbour notices nothing.
    assert_eq!(served(&bob, PROJECTS, 9).await, 6);
}

#[tokio::test]
async fn a_user_and_a_key_have_buckets_of_their_own_within_the_tenants() {
    let app = app(limits_of_users(40)).await;
    let unlimited = app.start_beside(|_, _| ()).await;
    let alice = unlimited.register("alice@acme.example", "acme-corp").await;
    let vera = unlimited_to(&app, &alice.colleague("viewer").await);
    let (_, program) = alice.create_key(&["projects:read"]).await;
    let (_, other) = alice.create_key(&["projects:read"]).await;
    let (alice, program, other) = (
        unlimited_to(&app, &alice),
        unlimited_to(&app, &program),
        unlimited_to(&app, &other),
    );
    for (caller, whose) in [
        (&alice, "user"),
        (&program, "key"),
        (&vera, "user"),
        (&other, "key"),
    ] {
        assert_eq!(served(caller, PROJECTS, 2).await, 2, "{whose}");
        for _ in 0..5 {
            assert_refused(&caller.get(PROJECTS).await, whose);
        }
    }
    // Whoever was refused by their own bucket drew nothing from the tenant's: 40 less 8.
    let refused = alice.get(PROJECTS).await;
    assert_eq!(
        left(&refused),
        [("tenant".to_owned(), 32), ("user".to_owned(), 0)]
    );
}

/// The same caller at another server.
fn unlimited_to(app: &TestApp, caller: &Caller) -> Caller {
    app.stranger().with_token(caller.token())
}

#[tokio::test]
async fn somebody_in_no_tenant_has_a_bucket_too() {
    let app = app(limits(3)).await;
    let body =
        json!({ "email": "vera@home.example", "password": "securepass123", "full_name": "Vera" });
    let made = app
        .stranger()
        .post("/api/v1/auth/register", body)
        .await
        .expect(201);
    let vera = app
        .stranger()
        .with_token(made.json()["access_token"].as_str().unwrap());
    let answer = vera.get("/api/v1/users/me").await.expect(200);
    assert_eq!(left(&answer), [("user".to_owned(), 2)]);
    assert_eq!(served(&vera, "/api/v1/users/me", 5).await, 2);
    assert_refused(&vera.get("/api/v1/users/me/tenants").await, "user");
}

/// What a header selects, or somebody makes up, is nobody's bucket.
#[tokio::test]
async fn only_what_is_verified_draws() {
    let (app, alice, bob) = two_tenants(limits(6)).await;
    let (_, key) = alice.create_key(&["projects:read"]).await;
    let id = alice.get("/api/v1/tenant").await.expect(200).json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for _ in 0..10 {
        let selecting = bob
            .with_header("x-tenant-slug", "acme-corp")
            .with_header("x-tenant-id", &id);
        drop(selecting.get("/health").await.expect(200));
        for made_up in [
            format!("{}x", alice.token()),
            format!("{}{}", &key.token()[..20], "a".repeat(43)),
            "nonsense".to_owned(),
        ] {
            let stranger = app
                .stranger()
                .with_token(made_up)
                .with_header("x-tenant-slug", "acme-corp");
            drop(stranger.get(PROJECTS).await.problem(401, "invalid_token"));
        }
    }
    for _ in 0..6 {
        let selecting = bob.with_header("x-tenant-slug", "acme-corp");
        drop(
            selecting
                .get(PROJECTS)
                .await
                .problem(403, "tenant_mismatch"),
        );
    }
    assert_refused(&bob.get(PROJECTS).await, "tenant");
    // Of Acme's six, the key and the look at its id took two.
    assert_eq!(served(&alice, PROJECTS, 9).await, 4);
}

#[tokio::test]
async fn a_revoked_key_draws_from_nobody() {
    let (_app, alice, _) = two_tenants(limits(12)).await;
    let (id, key) = alice.create_key(&["projects:read"]).await;
    drop(key.get(PROJECTS).await.expect(200));
    drop(
        alice
            .delete(&format!("/api/v1/api-keys/{id}"))
            .await
            .expect(204),
    );
    for _ in 0..20 {
        drop(key.get(PROJECTS).await.problem(401, "invalid_token"));
    }
    // Making, using, revoking, and the one request that found it revoked.
    assert_eq!(served(&alice, PROJECTS, 20).await, 8);
}

#[tokio::test]
async fn a_route_costs_what_stands_beside_it_and_an_alias_what_its_route_costs() {
    let (_app, alice, _) = two_tenants(limits(100)).await;
    let mut before = 100;
    let mut cost = |answer: &Answer| {
        let (_, left) = left(answer)[0].clone();
        let cost = before - left;
        before = left;
        cost
    };
    assert_eq!(cost(&alice.get(PROJECTS).await.expect(200)), 1);
    let body = json!({ "email": "vera@acme.example", "role": "viewer" });
    assert_eq!(
        cost(&alice.post("/api/v1/invitations", body).await.expect(201)),
        5
    );
    let body = json!({ "emails": ["otto@acme.example"], "role": "viewer" });
    assert_eq!(
        cost(
            &alice
                .post("/organization/add_users", body)
                .await
                .expect(201)
        ),
        5
    );
    assert_eq!(
        cost(&alice.get("/organization/list_users").await.expect(200)),
        1
    );
    assert_eq!(cost(&alice.get("/api/v1/invitations").await.expect(200)), 1);
    assert_eq!(cost(&alice.create_project("Atlas").await), 1);
}

/// Else a tenant with few at once could never do it.
#[tokio::test]
async fn what_costs_more_than_the_bucket_holds_takes_all_of_it() {
    let (_app, alice, _) = two_tenants(limits(3)).await;
    let body = json!({ "email": "vera@acme.example", "role": "viewer" });
    drop(alice.post("/api/v1/invitations", body).await.expect(201));
    assert_refused(&alice.get(PROJECTS).await, "tenant");
}

#[tokio::test]
async fn a_tenants_own_numbers_count_on_every_server() {
    let (app, alice, bob) = two_tenants(limits(3)).await;
    let beside = app
        .start_beside(|state, _| state.rate_limits = limits(3))
        .await;
    let there = unlimited_to(&beside, &alice);
    drop(alice.get(PROJECTS).await.expect(200));
    drop(there.get(PROJECTS).await.expect(200));
    let own = "SELECT directory.set_tenant_limits('acme-corp', 7, 50)";
    diesel::sql_query(own)
        .execute(&mut app.database().connect_as("rowhouse_ops"))
        .unwrap();
    let policy = r#""tenant";q=7;w=60;rowhouse-burst=50"#;
    let deadline = Instant::now() + Duration::from_secs(60);
    for caller in [&alice, &there] {
        // As soon as the server has heard of it, also for whoever was refused before.
        while !caller
            .get(PROJECTS)
            .await
            .header("ratelimit-policy")
            .starts_with(policy)
        {
            assert!(Instant::now() < deadline, "not heard of within a minute");
        }
    }
    assert_eq!(served(&bob, PROJECTS, 9).await, 3);
}

#[tokio::test]
async fn an_address_is_limited_before_anybody_asks_who_it_is() {
    let app = app(limits_of_addresses()).await;
    let stranger = app.stranger();
    for path in [
        "/nowhere",
        PROJECTS,
        "/openapi.json",
        "/docs/errors/busy",
        "/api/v1/users/me",
    ] {
        let answer = stranger.get(path).await;
        assert_ne!(answer.status(), 429, "{path}");
        assert_eq!(left(&answer)[0].0, "address");
    }
    for path in ["/nowhere", PROJECTS, "/openapi.json", "/docs/"] {
        for caller in [&stranger, &stranger.with_token("nonsense")] {
            assert_refused(&caller.get(path).await, "address");
        }
    }
    for _ in 0..20 {
        for path in ["/health", "/health/live", "/health/ready"] {
            let answer = stranger.get(path).await.expect(200);
            assert_eq!(answer.header("ratelimit"), "", "{path}");
        }
        drop(stranger.get("/metrics").await.problem(404, "not_found"));
    }
    // What anybody may write says nothing.
    let elsewhere = stranger.with_header("x-forwarded-for", "198.51.100.7");
    assert_refused(&elsewhere.get(PROJECTS).await, "address");
}

#[tokio::test]
async fn behind_a_proxy_an_address_is_the_clients_and_an_ipv6_network_is_one() {
    let app = TestApp::start_with(|state, _| {
        state.settings.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        state.rate_limits = limits_of_addresses();
    })
    .await;
    let from = |address: &str| app.stranger().with_header("x-forwarded-for", address);
    let mut refused = 0;
    for number in 0..8 {
        let answer = from(&format!("2001:db8:1:2::{number}"))
            .get("/nowhere")
            .await;
        refused += u32::from(answer.status() == 429);
    }
    assert_eq!(refused, 3);
    for other in ["2001:db8:1:3::1", "198.51.100.7", "198.51.100.8"] {
        drop(from(other).get("/nowhere").await.problem(404, "not_found"));
    }
}

#[tokio::test]
async fn who_signs_in_is_limited_more_strictly_by_whatever_path() {
    let app = app(limits_of_addresses()).await;
    let stranger = app.stranger();
    let body = json!({ "email": "nobody@acme.example", "password": "wrong password" });
    let first = stranger.post(LOGIN, body.clone()).await;
    drop(first.problem(401, "invalid_credentials"));
    assert_eq!(
        left(&first),
        [("address".to_owned(), 4), ("auth".to_owned(), 1)]
    );
    let second = stranger.post("/login", body.clone()).await;
    drop(second.problem(401, "invalid_credentials"));
    assert_refused(&stranger.post(LOGIN, body.clone()).await, "address");
    assert_refused(&stranger.post("/%6cogin", body).await, "address");
    // Each of the four has drawn from the other bucket first.
    drop(stranger.get(PROJECTS).await.problem(401, "missing_token"));
    assert_refused(&stranger.get(PROJECTS).await, "address");
}

#[tokio::test]
async fn this_machine_itself_is_exempt_where_it_should_be() {
    let settings = RateLimitSettings {
        address_burst: number(1),
        auth_burst: number(1),
        ..RateLimitSettings::default()
    };
    let limits = RateLimits::new(settings, TiersSettings::default(), Limiter::local());
    let app = app(limits).await;
    for _ in 0..5 {
        let answer = app.stranger().post(LOGIN, json!({})).await;
        drop(answer.problem(422, "validation_failed"));
        assert_eq!(answer.header("ratelimit"), "");
    }
}

/// A page must be able to read why it was refused.
#[tokio::test]
async fn a_page_of_another_origin_reads_the_refusal() {
    let app = TestApp::start_with(|state, _| {
        state.cors.allowed_origins = vec!["https://app.example".parse().unwrap()];
        state.rate_limits = limits_of_addresses();
    })
    .await;
    let page = app.stranger().with_header("origin", "https://app.example");
    for _ in 0..5 {
        drop(page.get("/nowhere").await.problem(404, "not_found"));
    }
    let answer = page.get("/nowhere").await;
    assert_refused(&answer, "address");
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://app.example"
    );
    let exposed = answer.header("access-control-expose-headers");
    for name in ["RateLimit", "RateLimit-Policy", "Retry-After"] {
        assert!(exposed.split(", ").any(|it| it == name), "{exposed}");
    }
}

fn shared(redis: &Redis, on_failure: OnFailure) -> RateLimits {
    let settings = RedisSettings {
        url: Some(redis.url().into()),
        on_failure,
        timeout_milliseconds: 1_000,
    };
    let limiter = Limiter::start(&settings).unwrap();
    RateLimits::new(RateLimitSettings::default(), tiers(20), limiter)
}

/// What `/health/ready` says: its status, and that of Redis.
async fn readiness(app: &TestApp) -> (String, String) {
    let body = app.stranger().get("/health/ready").await.expect(200).json();
    let text = |pointer| body.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    (text("/status"), text("/checks/redis"))
}

async fn until_ready(app: &TestApp, status: &str, redis: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while readiness(app).await != (status.to_owned(), redis.to_owned()) {
        assert!(Instant::now() < deadline, "{:?}", readiness(app).await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn two_servers_share_one_limit_and_each_has_its_own_while_redis_is_gone() {
    let mut redis = Redis::start();
    let (app, alice, _) = two_tenants(shared(&redis, OnFailure::Local)).await;
    let limits = shared(&redis, OnFailure::Local);
    let beside = app
        .start_beside(|state, _| state.rate_limits = limits)
        .await;
    let there = unlimited_to(&beside, &alice);
    until_ready(&app, "ok", "ok").await;
    assert_eq!(served(&alice, PROJECTS, 12).await, 12);
    assert_eq!(served(&there, PROJECTS, 12).await, 8);
    assert_eq!(served(&alice, PROJECTS, 12).await, 0);

    redis.kill();
    // Each has a full bucket of its own, and nobody gets a 5xx.
    assert_eq!(served(&alice, PROJECTS, 40).await, 20);
    assert_eq!(served(&there, PROJECTS, 40).await, 20);
    assert_eq!(
        readiness(&app).await,
        ("degraded".to_owned(), "degraded".to_owned())
    );

    redis.restart();
    until_ready(&app, "ok", "ok").await;
    until_ready(&beside, "ok", "ok").await;
    // It has forgotten.
    assert_eq!(
        served(&alice, PROJECTS, 12).await + served(&there, PROJECTS, 12).await,
        20
    );
}

#[tokio::test]
async fn closed_serves_nobody_who_would_have_to_be_counted() {
    let mut redis = Redis::start();
    let (app, alice, _) = two_tenants(shared(&redis, OnFailure::Closed)).await;
    redis.kill();
    for _ in 0..5 {
        drop(
            alice
                .get(PROJECTS)
                .await
                .problem(503, "rate_limits_unavailable"),
        );
    }
    // Who is nobody yet is not counted.
    drop(
        app.stranger()
            .get(PROJECTS)
            .await
            .problem(401, "missing_token"),
    );
    until_ready(&app, "degraded", "degraded").await;
    redis.restart();
    until_ready(&app, "ok", "ok").await;
    drop(alice.get(PROJECTS).await.expect(200));
}

#[tokio::test]
async fn open_serves_everybody() {
    let mut redis = Redis::start();
    let (_app, alice, _) = two_tenants(shared(&redis, OnFailure::Open)).await;
    assert_eq!(served(&alice, PROJECTS, 30).await, 20);
    redis.kill();
    assert_eq!(served(&alice, PROJECTS, 50).await, 50);
    assert_eq!(alice.get(PROJECTS).await.header("ratelimit"), "");
}

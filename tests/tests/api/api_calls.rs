//! Calls of the API: counted against the plan over all servers, in leases.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::TenantId;
use rowhouse_tests::{Caller, Setup, TestApp};
use serde_json::{Value, json};
use store::{ApiCalls, PlanLimits, PlanSettings, PlansSettings};
use tokio::task::JoinSet;

use crate::state;

const PROJECTS: &str = "/api/v1/projects";

fn plans(max_api_calls: u32) -> PlansSettings {
    PlansSettings {
        free: PlanSettings {
            max_api_calls,
            ..PlanSettings::default()
        },
        ..PlansSettings::default()
    }
}

fn setup(max_api_calls: u32) -> Setup {
    Setup {
        plans: Some(plans(max_api_calls)),
        ..Setup::default()
    }
}

async fn acme(max_api_calls: u32) -> (TestApp, Caller) {
    let app = TestApp::start_as(setup(max_api_calls)).await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    (app, alice)
}

async fn calls(caller: &Caller) -> Value {
    let usage = caller.get("/api/v1/tenant/usage").await.expect(200);
    usage.json()["api_calls"]["current"].clone()
}

/// How many of so many calls at once are served, by these callers in turn; all others are 402.
async fn served(callers: &[&Caller], number: usize) -> usize {
    let mut asking = JoinSet::new();
    for caller in callers.iter().cycle().take(number) {
        let caller = (*caller).clone();
        asking.spawn(async move { caller.get(PROJECTS).await });
    }
    let answers = asking.join_all().await;
    let served = answers.iter().filter(|answer| answer.status() == 200);
    let served = served.count();
    for answer in answers.iter().filter(|answer| answer.status() != 200) {
        drop(answer.problem(402, "plan_limit_exceeded"));
    }
    served
}

#[tokio::test]
async fn the_last_call_that_a_plan_allows_is_the_last() {
    let (app, alice) = acme(130).await;
    assert_eq!(calls(&alice).await, 0);
    assert_eq!(served(&[&alice], 64).await, 64);
    assert_eq!(calls(&alice).await, 64);
    assert_eq!(served(&[&alice], 128).await, 66);
    let problem = alice
        .get(PROJECTS)
        .await
        .problem(402, "plan_limit_exceeded");
    let resets_at: DateTime<Utc> = problem["resets_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(resets_at, store::end_of(store::month_of(Utc::now())));
    assert_eq!(
        json!([problem["resource"], problem["limit"], problem["current"]]),
        json!(["api_calls", 130, 130])
    );
    // Whatever is asked: a write, a key, an alias, what is not there, what is not allowed.
    let body = json!({ "name": "X" });
    for answer in [
        alice.post(PROJECTS, body.clone()).await,
        alice.post("/projects/create_project", body).await,
        alice.get("/api/v1/tenant").await,
        alice.get("/api/v1/projects/nonsense").await,
        alice.get("/api/v1/tenant/features").await,
    ] {
        drop(answer.problem(402, "plan_limit_exceeded"));
    }
    // Not what concerns the account and its session, and not what says how much is used.
    assert_eq!(calls(&alice).await, 130);
    for path in ["/api/v1/users/me", "/users/me", "/api/v1/users/me/tenants"] {
        drop(alice.get(path).await.expect(200));
    }
    let body = json!({ "tenant_slug": "acme-corp" });
    drop(alice.post("/api/v1/auth/switch", body).await.expect(200));
    // Nobody is told who they are not.
    drop(
        app.stranger()
            .get(PROJECTS)
            .await
            .problem(401, "missing_token"),
    );
    // Another tenant has its own.
    let bob = app.register("bob@globex.example", "globex-inc").await;
    assert_eq!(served(&[&bob], 20).await, 20);
}

#[tokio::test]
async fn two_servers_together_serve_no_more_than_the_plan_allows() {
    let (first, alice) = acme(250).await;
    let second = first.start_beside_as(setup(250)).await;
    let elsewhere = second.stranger().with_token(alice.token());
    let both = served(&[&alice, &elsewhere], 160).await;
    assert_eq!(both, 160);
    let rest = served(&[&alice, &elsewhere], 200).await;
    // What one server has leased and the other would need, nobody is served.
    assert!(both + rest <= 250, "{rest}");
    assert!(both + rest >= 150, "{rest}");
    let leased = "(SELECT calls FROM api_usage) AS u WHERE calls = 250";
    assert_eq!(state::count(&first, leased), 1);
}

#[tokio::test]
async fn a_larger_plan_counts_at_once_on_every_server() {
    let (first, alice) = acme(10).await;
    let second = first.start_beside_as(setup(10)).await;
    let elsewhere = second.stranger().with_token(alice.token());
    assert_eq!(served(&[&alice], 20).await, 10);
    assert_eq!(served(&[&elsewhere], 5).await, 0);
    diesel::sql_query("SELECT directory.set_tenant_tier('acme-corp', 'basic')")
        .execute(&mut first.database().connect_as("rowhouse_ops"))
        .unwrap();
    // Long before the plan would be forgotten by itself.
    let deadline = Instant::now() + Duration::from_secs(60);
    for caller in [&alice, &elsewhere] {
        while caller.get(PROJECTS).await.status() != 200 {
            assert!(Instant::now() < deadline, "the plan is still the old one");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_new_month_begins_anew_and_what_was_not_served_is_given_back() {
    let (app, alice) = acme(0).await;
    let id = alice.get("/api/v1/tenant").await.expect(200).json()["id"].clone();
    let tenant = TenantId::from(id.as_str().unwrap().parse::<uuid::Uuid>().unwrap());
    let limits = PlanLimits::from(plans(120));
    let server = || ApiCalls::new(app.identity().clone(), app.plans().clone(), limits);
    let (first, second) = (server(), server());
    let at = |time: &str| time.parse::<DateTime<Utc>>().unwrap();
    let december = at("2030-12-31T23:59:59Z");
    let leased = |calls: i64| {
        state::count(
            &app,
            &format!("api_usage WHERE month = '2030-12-01' AND calls = {calls}"),
        )
    };
    first.count(tenant, december).await.unwrap();
    assert_eq!(leased(100), 1);
    // What is left, and no more.
    for _ in 0..20 {
        second.count(tenant, december).await.unwrap();
    }
    assert_eq!(leased(120), 1);
    let refused = second.count(tenant, december).await.unwrap_err();
    let store::Error::ApiCallLimit {
        limit,
        current,
        resets_at,
    } = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!((limit, current), (120, 120));
    assert_eq!(resets_at, at("2031-01-01T00:00:00Z"));
    second.count(tenant, resets_at).await.unwrap();

    first.give_back().await;
    assert_eq!(leased(21), 1);
    // A server of which nothing is known yet is served from what came back.
    let third = server();
    for _ in 0..99 {
        third.count(tenant, december).await.unwrap();
    }
    drop(third.count(tenant, december).await.unwrap_err());
    // Nothing twice.
    first.give_back().await;
    assert_eq!(leased(120), 1);
}

#[tokio::test]
async fn of_a_hundred_at_once_who_find_nothing_leased_one_asks() {
    let (app, alice) = acme(0).await;
    let id = alice.get("/api/v1/tenant").await.expect(200).json()["id"].clone();
    let tenant = TenantId::from(id.as_str().unwrap().parse::<uuid::Uuid>().unwrap());
    let limits = PlanLimits::from(plans(1000));
    let server = ApiCalls::new(app.identity().clone(), app.plans().clone(), limits);
    let now: DateTime<Utc> = "2030-06-15T12:00:00Z".parse().unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let server = server.clone();
        calls.spawn(async move { server.count(tenant, now).await.is_ok() });
    }
    assert!(calls.join_all().await.into_iter().all(|counted| counted));
    let leased = "api_usage WHERE month = '2030-06-01' AND calls = 100";
    assert_eq!(state::count(&app, leased), 1);
}

//! What a server remembers of a tenant's plan, and how it hears that it has changed.

use std::time::{Duration, Instant};

use diesel::prelude::*;
use domain::{Feature, SubscriptionTier, TenantId};
use rowhouse_tests::{Database, TestApp};

/// As an administrator's command does it.
fn set_tier(database: &Database, tier: SubscriptionTier) {
    let statement = format!("SELECT directory.set_tenant_tier('acme-corp', '{tier}')");
    diesel::sql_query(statement)
        .execute(&mut database.connect_as("rowhouse_ops"))
        .unwrap();
}

fn sql(database: &Database, statement: &str) {
    diesel::sql_query(statement)
        .execute(&mut database.superuser())
        .unwrap();
}

async fn tier(app: &TestApp, tenant: TenantId) -> SubscriptionTier {
    app.plans().find(tenant).await.unwrap().tier
}

/// Long before the plan would be forgotten by itself.
async fn eventually<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn two_servers() -> (TestApp, TestApp, TenantId) {
    let first = TestApp::start().await;
    let alice = first.register("alice@acme.example", "acme-corp").await;
    let second = first.start_beside(|_, _| ()).await;
    let id = alice.get("/api/v1/tenant").await.expect(200).json()["id"].clone();
    let tenant = TenantId::from(id.as_str().unwrap().parse::<uuid::Uuid>().unwrap());
    for app in [&first, &second] {
        eventually("the server hears", || async { app.plans().hears() }).await;
    }
    (first, second, tenant)
}

#[tokio::test]
async fn a_change_reaches_every_server() {
    let (first, second, tenant) = two_servers().await;
    for expected in [SubscriptionTier::Premium, SubscriptionTier::Free] {
        set_tier(first.database(), expected);
        for app in [&first, &second] {
            let is_new = || async { tier(app, tenant).await == expected };
            eventually("the tier is the new one", is_new).await;
        }
    }
    let features = "SELECT directory.set_tenant_feature('acme-corp', 'api_keys', false), \
         directory.set_tenant_limits('acme-corp', 7, 3)";
    sql(first.database(), features);
    for app in [&first, &second] {
        let plan = || async { app.plans().find(tenant).await.unwrap() };
        eventually("the feature is off", || async {
            !plan().await.features.has(Feature::ApiKeys)
        })
        .await;
        eventually("the limits are its own", || async {
            plan().await.rate_limit_per_minute == Some(7)
        })
        .await;
        assert_eq!(plan().await.rate_limit_burst, Some(3));
    }
}

#[tokio::test]
async fn a_server_that_nobody_tells_remembers() {
    let (first, _second, tenant) = two_servers().await;
    assert_eq!(tier(&first, tenant).await, SubscriptionTier::Free);
    sql(
        first.database(),
        "ALTER TABLE tenants DISABLE TRIGGER tenants_tell_plan_changed",
    );
    set_tier(first.database(), SubscriptionTier::Premium);
    assert_eq!(tier(&first, tenant).await, SubscriptionTier::Free);
    // What is no byte ends nothing, and nobody's ears.
    for told in ["", "256", "-1", "7 ", "all", &"9".repeat(7000)] {
        sql(first.database(), &format!("NOTIFY tenant_plans, '{told}'"));
    }
    assert_eq!(tier(&first, tenant).await, SubscriptionTier::Free);
    let byte = tenant.uuid().as_bytes()[15];
    sql(first.database(), &format!("NOTIFY tenant_plans, '{byte}'"));
    let is_new = || async { tier(&first, tenant).await == SubscriptionTier::Premium };
    eventually("the tier is the new one", is_new).await;
}

#[tokio::test]
async fn a_server_whose_ear_was_cut_off_misses_nothing() {
    let (first, second, tenant) = two_servers().await;
    for expected in [SubscriptionTier::Premium, SubscriptionTier::Basic] {
        // What is told is told to nobody.
        sql(
            first.database(),
            &format!(
                "DO $$ BEGIN \
                     PERFORM pg_terminate_backend(pid, 60000) FROM pg_stat_activity \
                         WHERE application_name = 'rowhouse listener' AND datname = current_database(); \
                     PERFORM directory.set_tenant_tier('acme-corp', '{expected}'); \
                 END $$"
            ),
        );
        for app in [&first, &second] {
            let is_new = || async { tier(app, tenant).await == expected };
            eventually("the tier is the new one", is_new).await;
            eventually("the server hears again", || async { app.plans().hears() }).await;
        }
    }
}

#[tokio::test]
async fn whoever_listens_learns_one_byte() {
    let (first, _second, tenant) = two_servers().await;
    let mut stranger = first.database().connect_as("rowhouse_app");
    diesel::sql_query("LISTEN tenant_plans")
        .execute(&mut stranger)
        .unwrap();
    set_tier(first.database(), SubscriptionTier::Premium);
    let deadline = Instant::now() + Duration::from_secs(60);
    let told = loop {
        if let Some(told) = stranger.notifications_iter().next() {
            break told.unwrap();
        }
        assert!(Instant::now() < deadline, "nothing was told");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(
        told.payload,
        tenant.uuid().as_bytes()[15].to_string(),
        "{told:?}"
    );
}

#[tokio::test]
async fn nobody_remembers_that_a_tenant_is_not_there() {
    let (first, _second, _) = two_servers().await;
    let unknown = first.plans().find(TenantId::generate()).await;
    assert!(
        matches!(unknown, Err(store::Error::NotFound)),
        "{unknown:?}"
    );
}

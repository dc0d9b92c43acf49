//! What a tenant has, by its tier or by an operator's decision.

use diesel::prelude::*;
use rowhouse_tests::TestApp;
use serde_json::{Value, json};

const FEATURES: &str = "/api/v1/tenant/features";

fn as_operator(app: &TestApp, call: &str) {
    diesel::sql_query(format!("SELECT directory.{call}"))
        .execute(&mut app.database().connect_as("rowhouse_ops"))
        .unwrap();
}

fn list(of: [(&str, bool, &str); 3]) -> Value {
    let data: Vec<_> = of
        .iter()
        .map(
            |(name, enabled, source)| json!({ "name": name, "enabled": enabled, "source": source }),
        )
        .collect();
    json!({ "data": data })
}

#[tokio::test]
async fn the_tier_says_what_there_is_until_an_operator_does() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let free = list([
        ("api_keys", true, "tier"),
        ("custom_roles", true, "tier"),
        ("powered_by_badge", true, "tier"),
    ]);
    let viewer = alice.colleague("viewer").await;
    for caller in [&alice, &bob, &viewer] {
        assert_eq!(caller.get(FEATURES).await.expect(200).json(), free);
    }
    as_operator(&app, "set_tenant_tier('acme-corp', 'basic')");
    as_operator(&app, "set_tenant_feature('acme-corp', 'api_keys', false)");
    as_operator(&app, "set_tenant_feature('acme-corp', 'of_tomorrow', true)");
    let expected = list([
        ("api_keys", false, "tenant"),
        ("custom_roles", true, "tier"),
        ("powered_by_badge", false, "tier"),
    ]);
    assert_eq!(viewer.get(FEATURES).await.expect(200).json(), expected);
    assert_eq!(bob.get(FEATURES).await.expect(200).json(), free);
    as_operator(&app, "set_tenant_feature('acme-corp', 'api_keys', NULL)");
    as_operator(
        &app,
        "set_tenant_feature('acme-corp', 'powered_by_badge', true)",
    );
    let expected = list([
        ("api_keys", true, "tier"),
        ("custom_roles", true, "tier"),
        ("powered_by_badge", true, "tenant"),
    ]);
    assert_eq!(alice.get(FEATURES).await.expect(200).json(), expected);
    drop(
        app.stranger()
            .get(FEATURES)
            .await
            .problem(401, "missing_token"),
    );
}

#[tokio::test]
async fn what_is_off_makes_nothing_new_and_takes_nothing_away() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let (_, program) = alice.create_key(&["projects:read"]).await;
    let role = |name: &str| json!({ "name": name, "based_on": "viewer", "permissions": [] });
    drop(
        alice
            .post("/api/v1/roles", role("auditor"))
            .await
            .expect(201),
    );
    for feature in ["api_keys", "custom_roles"] {
        let off = format!("set_tenant_feature('acme-corp', '{feature}', false)");
        as_operator(&app, &off);
    }
    let key = json!({ "name": "a program", "scopes": ["projects:read"] });
    for (path, body) in [("/api/v1/api-keys", key), ("/api/v1/roles", role("other"))] {
        let answer = alice.post(path, body.clone()).await;
        drop(answer.problem(403, "feature_disabled"));
        drop(bob.post(path, body).await.expect(201));
    }
    drop(program.get("/api/v1/projects").await.expect(200));
    drop(alice.get("/api/v1/roles").await.expect(200));
}

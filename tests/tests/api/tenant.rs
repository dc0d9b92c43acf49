//! The company itself: read by its members, changed by its admins.

use rowhouse_tests::TestApp;
use serde_json::{Value, json};

#[tokio::test]
async fn every_member_reads_the_own_tenant_whole() {
    let (_app, alice, bob) = TestApp::two_tenants().await;
    let vera = alice.colleague("viewer").await;
    let tenant = vera.get("/api/v1/tenant").await.expect(200).json();
    let expected = json!({
        "id": tenant["id"], "slug": "acme-corp", "subdomain": "acme-corp", "name": "acme-corp",
        "is_active": true, "status": "active", "subscription_tier": "free",
        "rate_limit_per_minute": null, "rate_limit_burst": null, "signup": "closed", "signup_domains": [],
        "settings": {}, "branding": {}, "created_at": tenant["created_at"], "updated_at": tenant["updated_at"],
        "erase_after": null,
    });
    assert_eq!(tenant, expected);
    assert_eq!(
        bob.get("/api/v1/tenant").await.expect(200).json()["slug"],
        "globex-inc"
    );
}

#[tokio::test]
async fn admins_change_name_and_sign_up_and_nobody_below_them_does() {
    let (_app, alice, bob) = TestApp::two_tenants().await;
    let before = bob.get("/api/v1/tenant").await.json();
    let anna = alice.colleague("admin").await;
    let body = json!({ "name": " Acme  Corporation ", "signup": "domain", "signup_domains": ["ACME.example"] });
    let changed = anna.patch("/api/v1/tenant", body).await.expect(200).json();
    assert_eq!(changed["signup"], "domain");
    assert_eq!(changed["signup_domains"], json!(["acme.example"]));
    assert_eq!(anna.get("/api/v1/tenant").await.json(), changed);
    for role in ["member", "viewer"] {
        let lower = alice.colleague(role).await;
        drop(
            lower
                .patch("/api/v1/tenant", json!({ "name": "Mine" }))
                .await
                .problem(403, "forbidden"),
        );
    }
    assert_eq!(bob.get("/api/v1/tenant").await.json(), before);
}

#[tokio::test]
async fn an_open_tenant_takes_in_whoever_registers_as_a_member() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let carol = json!({
        "email": "carol@elsewhere.example", "password": "securepass123", "full_name": "Carol",
        "tenant_slug": "acme-corp",
    });
    let refused = app
        .stranger()
        .post("/api/v1/auth/register", carol.clone())
        .await;
    drop(refused.problem(403, "signup_closed"));
    drop(
        alice
            .patch("/api/v1/tenant", json!({ "signup": "open" }))
            .await
            .expect(200),
    );
    let joined = app
        .stranger()
        .post("/api/v1/auth/register", carol)
        .await
        .expect(201)
        .json();
    assert_eq!(joined["tenant"]["slug"], "acme-corp");
    assert_eq!(joined["tenant"]["role"], "member");
}

#[tokio::test]
async fn bad_changes_are_named_and_change_nothing() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let before = alice.get("/api/v1/tenant").await.json();
    for (body, pointer) in [
        (json!({ "name": "" }), "/name"),
        (json!({ "name": null }), "/name"),
        (json!({ "signup": "sometimes" }), "/signup"),
        (
            json!({ "signup_domains": ["no domain"] }),
            "/signup_domains",
        ),
        (
            json!({ "signup_domains": vec!["a.example"; 51] }),
            "/signup_domains",
        ),
        (
            json!({ "subscription_tier": "enterprise" }),
            "/subscription_tier",
        ),
        (
            json!({ "rate_limit_per_minute": 1_000_000 }),
            "/rate_limit_per_minute",
        ),
        (json!({ "slug": "globex-inc" }), "/slug"),
    ] {
        let problem = alice
            .patch("/api/v1/tenant", body)
            .await
            .problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let after: Value = alice.get("/api/v1/tenant").await.json();
    assert_eq!(after, before);
}

//! The session of `fastapi-saas-platform.md`, section "Creating Test Data": the same three
//! requests, with the same bodies and headers, must do what they did there.

use reqwest::Method;
use rowhouse_tests::TestApp;
use serde_json::json;

#[tokio::test]
async fn the_python_session_works_word_for_word() {
    let app = TestApp::start().await;
    let json = app
        .stranger()
        .with_header("content-type", "application/json");

    // requests.post(…, json={…}) writes its JSON with a blank behind colons and commas.
    let response = json
        .send_bytes(
            Method::POST,
            "/api/v1/auth/register",
            r#"{"email": "admin@acme.com", "password": "securepass123", "full_name": "Admin User", "tenant_slug": "acme-corp"}"#,
        )
        .await;
    assert_eq!(response.status(), 201, "{}", response.text());

    let response = json
        .send_bytes(
            Method::POST,
            "/api/v1/auth/login",
            r#"{"email": "admin@acme.com", "password": "securepass123", "tenant_slug": "acme-corp"}"#,
        )
        .await;
    assert_eq!(response.status(), 200, "{}", response.text());
    let token = response.json()["access_token"].as_str().unwrap().to_owned();

    let response = app
        .stranger()
        .with_header("authorization", &format!("Bearer {token}"))
        .with_header("x-tenant-slug", "acme-corp")
        .get("/api/v1/projects")
        .await;
    assert_eq!(response.status(), 200, "{}", response.text());
    assert_eq!(response.json(), json!({ "data": [], "next_cursor": null }));
}

#[tokio::test]
async fn its_token_opens_no_other_tenant_and_its_header_none_without_a_token() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    alice
        .with_header("x-tenant-slug", "globex-inc")
        .get("/api/v1/projects")
        .await
        .problem(403, "tenant_mismatch");
    app.stranger()
        .with_header("x-tenant-slug", "acme-corp")
        .get("/api/v1/projects")
        .await
        .problem(401, "missing_token");
}

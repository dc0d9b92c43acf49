//! What surrounds every answer: paths and methods that are not there, request ids, headers.

use reqwest::Method;
use rowhouse_tests::TestApp;
use serde_json::json;

use crate::projects::path;

const ID: &str = "0198c0de-0000-7000-8000-000000000001";

#[tokio::test]
async fn a_path_that_is_not_there_is_the_same_404_for_everybody() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let reference = app.stranger().get("/nowhere").await;
    reference.problem(404, "not_found");
    for path in [
        "/",
        "/api",
        "/api/v1",
        "/api/v2/projects",
        "/api/v1/projects/",
        "/api/v1//projects",
        "/API/v1/projects",
        "/api/v1/projects.json",
        "/api/v1/organizations",
        "/api/v1/auth",
        "/health/",
        "/.env",
        "/.git/config",
        "/metrics",
        "/..%2f..%2fetc%2fpasswd",
        "/api/v1/projects/..%2f..%2fusers%2fme",
    ] {
        for caller in [&app.stranger(), &alice] {
            let answer = caller.get(path).await;
            // Behind /projects/ stands a route: there, who is nobody is told so first.
            if answer.status() == 401 {
                assert!(
                    path.starts_with("/api/v1/projects/") && !path.ends_with('/'),
                    "{path}"
                );
                answer.problem(401, "missing_token");
            } else {
                assert_eq!(answer.essence(), reference.essence(), "{path}");
            }
        }
    }
}

#[tokio::test]
async fn a_method_that_is_not_there_is_405_and_names_those_that_are() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let project = path(ID);
    let restore = format!("{project}/restore");
    let resource = format!("/api/v1/resources/{ID}");
    let versions = format!("{resource}/versions");
    let version = format!("{versions}/1");
    let restore_version = format!("{version}/restore");
    let histories =
        ["projects", "resources", "users"].map(|list| format!("/api/v1/{list}/{ID}/history"));
    let session = format!("/api/v1/users/me/sessions/{ID}");
    let invitation = format!("/api/v1/invitations/{ID}");
    let resend = format!("{invitation}/resend");
    let user = format!("/api/v1/users/{ID}");
    let role = format!("/api/v1/roles/{ID}");
    let key = format!("/api/v1/api-keys/{ID}");
    for (path, allow) in [
        ("/health", "GET, HEAD"),
        ("/health/live", "GET, HEAD"),
        ("/health/ready", "GET, HEAD"),
        ("/api/v1/auth/register", "POST"),
        ("/api/v1/auth/login", "POST"),
        ("/api/v1/auth/refresh", "POST"),
        ("/api/v1/auth/switch", "POST"),
        ("/api/v1/auth/logout", "POST"),
        ("/api/v1/auth/verify-email", "POST"),
        ("/api/v1/auth/verify-email/resend", "POST"),
        ("/api/v1/auth/password/forgot", "POST"),
        ("/api/v1/auth/password/reset", "POST"),
        ("/api/v1/auth/password/change", "POST"),
        ("/api/v1/users/me", "GET, HEAD, PATCH, DELETE"),
        ("/api/v1/tenants", "POST"),
        ("/api/v1/auth/step-up", "POST"),
        ("/api/v1/auth/mfa/totp", "POST, DELETE"),
        ("/api/v1/auth/mfa/totp/confirm", "POST"),
        ("/api/v1/users/me/tenants", "GET, HEAD"),
        ("/api/v1/users/me/sessions", "GET, HEAD"),
        ("/api/v1/users", "GET, HEAD, POST"),
        (session.as_str(), "DELETE"),
        (user.as_str(), "GET, HEAD, PATCH, DELETE"),
        ("/api/v1/tenant", "GET, HEAD, PATCH, DELETE"),
        ("/api/v1/tenant/restore", "POST"),
        ("/api/v1/tenant/usage", "GET, HEAD"),
        ("/api/v1/tenant/features", "GET, HEAD"),
        ("/api/v1/invitations", "GET, HEAD, POST"),
        ("/api/v1/invitations/accept", "POST"),
        (invitation.as_str(), "GET, HEAD, DELETE"),
        (resend.as_str(), "POST"),
        ("/api/v1/roles", "GET, HEAD, POST"),
        (role.as_str(), "GET, HEAD, PATCH, DELETE"),
        ("/api/v1/api-keys", "GET, HEAD, POST"),
        (key.as_str(), "GET, HEAD, DELETE"),
        ("/api/v1/tenant/transfer-ownership", "POST"),
        ("/.well-known/jwks.json", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD"),
        ("/docs", "GET, HEAD"),
        ("/docs/", "GET, HEAD"),
        ("/docs/errors/not_found", "GET, HEAD"),
        ("/api/v1/projects", "GET, HEAD, POST"),
        (project.as_str(), "GET, HEAD, PATCH, DELETE"),
        (restore.as_str(), "POST"),
        ("/api/v1/resources", "GET, HEAD, POST"),
        (resource.as_str(), "GET, HEAD, PATCH, DELETE"),
        (versions.as_str(), "GET, HEAD"),
        (version.as_str(), "GET, HEAD"),
        (restore_version.as_str(), "POST"),
        (histories[0].as_str(), "GET, HEAD"),
        (histories[1].as_str(), "GET, HEAD"),
        (histories[2].as_str(), "GET, HEAD"),
        ("/api/v1/audit/events", "GET, HEAD"),
        ("/api/v1/audit/events/export", "GET, HEAD"),
        ("/api/v1/audit/denials", "GET, HEAD"),
        ("/api/v1/audit/reads", "GET, HEAD"),
    ] {
        for method in [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW",
        ] {
            if allow.split(", ").any(|allowed| allowed == method) {
                continue;
            }
            let method: Method = method.parse().unwrap();
            for caller in [&app.stranger(), &alice] {
                let answer = caller.send(method.clone(), path, None).await;
                assert_eq!(answer.status(), 405, "{method} {path}");
                assert_eq!(answer.header("allow"), allow, "{method} {path}");
                if method != Method::HEAD {
                    answer.problem(405, "method_not_allowed");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_request_id_comes_back_and_a_strange_one_is_replaced() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let own = "my-request_0815";
    for path in ["/api/v1/projects", "/nowhere", "/health"] {
        let answer = alice.with_header("x-request-id", own).get(path).await;
        assert_eq!(answer.header("x-request-id"), own);
        for strange in [
            "",
            "a b",
            "x|y",
            "'; DROP TABLE projects;--",
            &"x".repeat(65),
        ] {
            let answer = alice.with_header("x-request-id", strange).get(path).await;
            assert_ne!(answer.header("x-request-id"), strange);
            assert_eq!(answer.header("x-request-id").len(), 32);
        }
    }
    let caller = app.stranger().with_header("x-request-id", own);
    let answer = caller.get("/api/v1/projects").await;
    assert_eq!(answer.problem(401, "missing_token")["request_id"], own);
    let (one, other) = (alice.get("/health").await, alice.get("/health").await);
    assert_ne!(one.header("x-request-id"), other.header("x-request-id"));
}

#[tokio::test]
async fn the_caller_is_checked_before_path_query_and_body() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let viewer = alice.colleague("viewer").await;
    let nonsense = json!({ "nonsense": 1 });
    for (method, path) in [
        (Method::POST, "/api/v1/projects?x=1".to_owned()),
        (Method::PATCH, path("not-an-id")),
        (Method::POST, "/api/v1/users".to_owned()),
    ] {
        let caller = app.stranger();
        let answer = caller
            .send(method.clone(), &path, Some(nonsense.clone()))
            .await;
        answer.problem(401, "missing_token");
        let answer = viewer.send(method, &path, Some(nonsense.clone())).await;
        answer.problem(403, "forbidden");
    }
    let answer = app.stranger().get("/api/v1/projects?limit=abc").await;
    answer.problem(401, "missing_token");
}

#[tokio::test]
async fn a_body_beyond_a_mebibyte_is_refused() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let json = alice.with_header("content-type", "application/json");
    let name = "x".repeat(1024 * 1024);
    let body = format!(r#"{{"name": "{name}"}}"#);
    let answer = json
        .send_bytes(Method::POST, "/api/v1/projects", body)
        .await;
    answer.problem(413, "payload_too_large");
    let body = format!("{{\"name\": \"Atlas\"{}}}", " ".repeat(1024 * 1024 - 17));
    assert_eq!(body.len(), 1024 * 1024);
    let answer = json
        .send_bytes(Method::POST, "/api/v1/projects", body)
        .await;
    assert_eq!(answer.expect(201).json()["name"], "Atlas");
}

//! Every route that needs a token, asked by one caller.

use reqwest::Method;
use rowhouse_tests::Caller;
use serde_json::{Value, json};

use super::INVALID;
use crate::projects::path;

/// Every route that needs a token, and where its session stands does not matter.
fn session_requests() -> Vec<(Method, String, Option<Value>)> {
    let slug = Some(json!({ "tenant_slug": "acme-corp" }));
    vec![
        (Method::POST, "/api/v1/auth/switch".to_owned(), slug),
        (Method::POST, "/api/v1/auth/logout".to_owned(), None),
    ]
}

/// Every route that needs a token, of a tenant or of none.
fn account_requests() -> Vec<(Method, String, Option<Value>)> {
    let id = "0198c0de-0000-7000-8000-000000000001";
    let me = "/api/v1/users/me";
    let passwords =
        Some(json!({ "current_password": "securepass123", "new_password": "pwned pwned" }));
    vec![
        (Method::GET, me.to_owned(), None),
        (
            Method::PATCH,
            me.to_owned(),
            Some(json!({ "full_name": "pwned" })),
        ),
        (Method::DELETE, me.to_owned(), None),
        (
            Method::POST,
            "/api/v1/tenants".to_owned(),
            Some(json!({ "name": "pwned" })),
        ),
        (Method::GET, format!("{me}/tenants"), None),
        (Method::GET, format!("{me}/sessions"), None),
        (Method::DELETE, format!("{me}/sessions/{id}"), None),
        (
            Method::POST,
            "/api/v1/auth/password/change".to_owned(),
            passwords,
        ),
        (
            Method::POST,
            "/api/v1/auth/step-up".to_owned(),
            Some(json!({ "password": "securepass123" })),
        ),
        (Method::POST, "/api/v1/auth/mfa/totp".to_owned(), None),
        (
            Method::POST,
            "/api/v1/auth/mfa/totp/confirm".to_owned(),
            Some(json!({ "totp": "123456" })),
        ),
        (Method::DELETE, "/api/v1/auth/mfa/totp".to_owned(), None),
    ]
}

/// Every route that needs a token of a tenant.
fn tenant_requests() -> Vec<(Method, String, Option<Value>)> {
    let id = "0198c0de-0000-7000-8000-000000000001";
    let name = Some(json!({ "name": "pwned" }));
    vec![
        (
            Method::POST,
            "/api/v1/users".to_owned(),
            Some(
                json!({ "email": "x@x.example", "full_name": "X", "role": "viewer", "password": "correct horse" }),
            ),
        ),
        (Method::GET, "/api/v1/users".to_owned(), None),
        (Method::GET, format!("/api/v1/users/{id}"), None),
        (
            Method::PATCH,
            format!("/api/v1/users/{id}"),
            Some(json!({ "full_name": "pwned" })),
        ),
        (Method::DELETE, format!("/api/v1/users/{id}"), None),
        (Method::GET, "/api/v1/roles".to_owned(), None),
        (
            Method::POST,
            "/api/v1/roles".to_owned(),
            Some(json!({ "name": "pwned", "based_on": "admin", "permissions": [] })),
        ),
        (Method::GET, format!("/api/v1/roles/{id}"), None),
        (Method::PATCH, format!("/api/v1/roles/{id}"), name.clone()),
        (Method::DELETE, format!("/api/v1/roles/{id}"), None),
        (Method::GET, "/api/v1/api-keys".to_owned(), None),
        (
            Method::POST,
            "/api/v1/api-keys".to_owned(),
            Some(json!({ "name": "pwned", "scopes": ["projects:read"] })),
        ),
        (Method::GET, format!("/api/v1/api-keys/{id}"), None),
        (Method::DELETE, format!("/api/v1/api-keys/{id}"), None),
        (Method::GET, format!("/api/v1/users/{id}/history"), None),
        (Method::GET, format!("/api/v1/projects/{id}/history"), None),
        (Method::GET, format!("/api/v1/resources/{id}/history"), None),
        (Method::GET, "/api/v1/audit/events".to_owned(), None),
        (
            Method::GET,
            "/api/v1/audit/events/export?format=csv".to_owned(),
            None,
        ),
        (Method::GET, "/api/v1/audit/denials".to_owned(), None),
        (Method::GET, "/api/v1/audit/reads".to_owned(), None),
        (Method::GET, "/api/v1/tenant".to_owned(), None),
        (Method::PATCH, "/api/v1/tenant".to_owned(), name.clone()),
        (Method::GET, "/api/v1/tenant/usage".to_owned(), None),
        (Method::GET, "/api/v1/tenant/features".to_owned(), None),
        (Method::GET, "/api/v1/projects".to_owned(), None),
        (Method::POST, "/api/v1/projects".to_owned(), name.clone()),
        (Method::GET, path(id), None),
        (Method::GET, path("not-an-id"), None),
        (Method::PATCH, path(id), name.clone()),
        (Method::DELETE, path(id), None),
        (Method::POST, format!("{}/restore", path(id)), None),
        (Method::GET, "/api/v1/resources".to_owned(), None),
        (
            Method::POST,
            "/api/v1/resources".to_owned(),
            Some(json!({ "project_id": id, "name": "pwned" })),
        ),
        (Method::GET, format!("/api/v1/resources/{id}"), None),
        (Method::PATCH, format!("/api/v1/resources/{id}"), name),
        (Method::DELETE, format!("/api/v1/resources/{id}"), None),
        (
            Method::GET,
            format!("/api/v1/resources/{id}/versions"),
            None,
        ),
        (
            Method::GET,
            format!("/api/v1/resources/{id}/versions/1"),
            None,
        ),
        (
            Method::POST,
            format!("/api/v1/resources/{id}/versions/1/restore"),
            None,
        ),
    ]
}

/// Every route that needs a token of a tenant's owner.
fn owner_requests() -> Vec<(Method, String, Option<Value>)> {
    let id = "0198c0de-0000-7000-8000-000000000001";
    vec![
        (
            Method::POST,
            "/api/v1/tenant/transfer-ownership".to_owned(),
            Some(json!({ "user_id": id })),
        ),
        (Method::DELETE, "/api/v1/tenant".to_owned(), None),
        (Method::POST, "/api/v1/tenant/restore".to_owned(), None),
    ]
}

/// Every request of this caller is refused alike.
pub(super) async fn assert_refused(caller: &Caller, status: u16, code: &str, challenge: &str) {
    let mut requests = [account_requests(), tenant_requests(), owner_requests()].concat();
    // Whoever has to switch, or wants to leave, need not refresh first.
    if code != "token_stale" {
        requests.extend(session_requests());
    }
    for (method, path, body) in requests {
        let answer = caller.send(method.clone(), &path, body).await;
        answer.problem(status, code);
        assert_eq!(
            answer.header("www-authenticate"),
            challenge,
            "{method} {path}"
        );
    }
}

/// As [`assert_refused`], of what needs a tenant.
pub(super) async fn assert_refused_in_tenant(caller: &Caller, status: u16, code: &str) {
    let challenge = if status == 401 { INVALID } else { "" };
    for (method, path, body) in tenant_requests() {
        let answer = caller.send(method.clone(), &path, body).await;
        answer.problem(status, code);
        assert_eq!(
            answer.header("www-authenticate"),
            challenge,
            "{method} {path}"
        );
    }
}

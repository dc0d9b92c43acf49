//! Which routes are sent what is odd.

use reqwest::Method;
use serde_json::{Value, json};

use crate::projects::path;

const ID: &str = "0198c0de-0000-7000-8000-000000000001";

/// Every route that takes a body, with a good one; but for the logout, as nothing would be left to
/// ask behind it (see `logout.rs`).
pub(crate) fn writes(project: &str) -> Vec<(Method, String, Value)> {
    let (post, patch) = (Method::POST, Method::PATCH);
    let person = json!({ "email": "x@x.example", "password": "securepass123", "full_name": "X" });
    let mut founder = person.clone();
    founder["tenant_slug"] = json!("x-corp");
    founder["tenant_name"] = json!("X");
    let mut user = person;
    user["role"] = json!("viewer");
    let login = json!({ "email": "alice@acme.example", "password": "securepass123", "tenant_slug": "acme-corp" });
    let atlas = json!({ "name": "Atlas", "description": "Maps", "status": "active" });
    vec![
        (post.clone(), "/api/v1/auth/register".to_owned(), founder),
        (post.clone(), "/api/v1/auth/login".to_owned(), login),
        (
            post.clone(),
            "/api/v1/auth/refresh".to_owned(),
            json!({ "refresh_token": format!("rt_{}", "A".repeat(43)) }),
        ),
        (
            post.clone(),
            "/api/v1/auth/switch".to_owned(),
            json!({ "tenant_slug": "acme-corp" }),
        ),
        (
            post.clone(),
            "/api/v1/auth/switch".to_owned(),
            json!({ "tenant_id": ID }),
        ),
        (
            post.clone(),
            "/api/v1/auth/verify-email".to_owned(),
            json!({ "token": "mt_A" }),
        ),
        (
            post.clone(),
            "/api/v1/auth/verify-email/resend".to_owned(),
            json!({ "email": "x@x.example" }),
        ),
        (
            post.clone(),
            "/api/v1/auth/password/forgot".to_owned(),
            json!({ "email": "x@x.example", "tenant_slug": "acme-corp" }),
        ),
        (
            post.clone(),
            "/api/v1/auth/password/reset".to_owned(),
            json!({ "token": "mt_A", "password": "securepass123" }),
        ),
        (
            post.clone(),
            "/api/v1/auth/password/change".to_owned(),
            json!({ "current_password": "wrong password", "new_password": "securepass123" }),
        ),
        (
            post.clone(),
            "/api/v1/auth/step-up".to_owned(),
            json!({ "password": "securepass123", "totp": "123456" }),
        ),
        (
            post.clone(),
            "/api/v1/auth/mfa/totp/confirm".to_owned(),
            json!({ "totp": "123456" }),
        ),
        (
            post.clone(),
            "/api/v1/tenant/transfer-ownership".to_owned(),
            json!({ "user_id": ID }),
        ),
        (
            patch.clone(),
            "/api/v1/users/me".to_owned(),
            json!({ "full_name": "X" }),
        ),
        (post.clone(), "/api/v1/users".to_owned(), user),
        (
            post.clone(),
            "/api/v1/tenants".to_owned(),
            json!({ "name": "X", "slug": "x-corp" }),
        ),
        (
            post.clone(),
            "/api/v1/invitations".to_owned(),
            json!({ "email": "y@x.example", "role": "viewer", "full_name": "Y" }),
        ),
        (
            post.clone(),
            "/api/v1/invitations/accept".to_owned(),
            json!({ "token": "mt_A", "password": "securepass123", "full_name": "Y" }),
        ),
        (
            patch.clone(),
            format!("/api/v1/users/{ID}"),
            json!({ "full_name": "X", "role": "viewer", "status": "active" }),
        ),
        (
            patch.clone(),
            "/api/v1/tenant".to_owned(),
            json!({ "name": "X", "signup": "closed", "signup_domains": ["x.example"],
                "settings": { "locale": "en", "timezone": "UTC", "week_starts_on": "monday", "x": { "y": [1] } },
                "branding": { "logo_url": "https://x.example/", "icon_url": null, "primary_color": "#123456",
                    "accent_color": null, "support_email": "x@x.example", "support_url": null } }),
        ),
        (
            post.clone(),
            "/api/v1/roles".to_owned(),
            json!({ "name": "x", "based_on": "viewer", "permissions": ["projects:read"] }),
        ),
        (
            patch.clone(),
            format!("/api/v1/roles/{ID}"),
            json!({ "name": "x", "based_on": "viewer", "permissions": ["projects:read"] }),
        ),
        (
            post.clone(),
            "/api/v1/api-keys".to_owned(),
            json!({ "name": "x", "scopes": ["projects:read"], "expires_at": "2099-01-01T00:00:00Z" }),
        ),
        (post.clone(), "/api/v1/projects".to_owned(), atlas.clone()),
        (patch.clone(), path(project), atlas),
        (
            post.clone(),
            "/api/v1/resources".to_owned(),
            json!({ "project_id": project, "name": "x", "type": "x", "data": { "x": 1 } }),
        ),
        (
            patch,
            format!("/api/v1/resources/{ID}"),
            json!({ "name": "x", "type": "x", "data": { "x": 1 } }),
        ),
        (
            post.clone(),
            format!("/api/v1/resources/{ID}/versions/1/restore"),
            json!({}),
        ),
        (
            post.clone(),
            "/organization/select".to_owned(),
            json!({ "slug": "acme-corp" }),
        ),
        (
            post.clone(),
            "/organization/select".to_owned(),
            json!({ "organization_id": ID }),
        ),
        (
            post.clone(),
            "/organization/add_users".to_owned(),
            json!({ "emails": ["x@x.example"], "role": "viewer" }),
        ),
        (post, format!("{}/restore", path(project)), json!({})),
    ]
}

/// Every route there is, but for the logout; nothing is deleted.
pub(super) fn all_routes(project: &str) -> Vec<(Method, String)> {
    let mut routes = Vec::new();
    let stays = |(pattern, _): &(&str, _)| !pattern.ends_with("/logout");
    for (pattern, methods) in api::routes::list().into_iter().filter(stays) {
        for method in methods {
            let method: Method = method.as_str().parse().unwrap();
            let id = if method == Method::DELETE {
                ID
            } else {
                project
            };
            let path = pattern.replace("{id}", id).replace("{n}", "1");
            let path = path.replace("{file:.*}", "");
            if method == Method::GET {
                routes.push((Method::HEAD, path.clone()));
            }
            routes.push((method, path));
        }
    }
    routes
}

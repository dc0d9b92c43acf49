//! Those who have a role: what it permits them, and how a change reaches them.

use reqwest::Method;
use rowhouse_tests::{Caller, TestApp};
use serde_json::{Value, json};

use super::{ROLES, create, path, user_with};
use crate::rows::principal;
use crate::state;

/// A colleague's own sign-in, with its refresh token.
pub(super) async fn sign_in(caller: &Caller, role: &str) -> Value {
    let login = json!({ "email": format!("{role}@acme-corp.example"), "password": "correct horse",
        "tenant_slug": "acme-corp" });
    caller
        .post("/api/v1/auth/login", login)
        .await
        .expect(200)
        .json()
}

pub(super) fn with_token(caller: &Caller, answer: &Value) -> Caller {
    caller.with_token(answer["access_token"].as_str().unwrap())
}

pub(super) async fn refreshed(caller: &Caller, answer: &Value) -> Value {
    let body = json!({ "refresh_token": answer["refresh_token"] });
    let next = caller.post("/api/v1/auth/refresh", body).await;
    next.expect(200).json()
}

#[tokio::test]
async fn a_member_may_what_the_custom_role_permits_and_nothing_else() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let project = alice.create_project("Atlas").await.id();
    let granted = ["projects:read", "tenant:read", "projects:restore"];
    let carl = alice.colleague_with("curator", "admin", &granted).await;
    // The name, everywhere that a role is shown.
    let me = carl.get("/api/v1/users/me").await.expect(200).json();
    assert_eq!(me["tenant"]["role"], "curator");
    let tenants = carl.get("/api/v1/users/me/tenants").await.json();
    assert_eq!(tenants["data"][0]["role"], "curator");
    let signed_in = sign_in(&carl, "curator").await;
    assert_eq!(signed_in["tenant"]["role"], "curator");
    let user = user_with(&alice, "curator").await;
    assert_eq!(alice.get(&user).await.json()["role"], "curator");
    let claim = principal(&carl).tenant.unwrap();
    assert_eq!(claim.role, domain::Role::Admin);
    let custom = claim.custom_role.unwrap();
    assert_eq!(
        (custom.name.as_str(), custom.permissions.words()),
        ("curator", granted.to_vec())
    );

    let atlas = crate::projects::path(&project);
    drop(carl.get(&atlas).await.expect(200));
    drop(carl.get("/api/v1/projects?deleted=true").await.expect(200));
    drop(carl.get("/api/v1/tenant").await.expect(200));
    for (method, path, body) in [
        (Method::POST, "/api/v1/projects", json!({ "name": "x" })),
        (Method::PATCH, atlas.as_str(), json!({ "name": "x" })),
        (Method::DELETE, atlas.as_str(), json!({})),
        (Method::GET, "/api/v1/users", json!({})),
        (Method::PATCH, "/api/v1/tenant", json!({ "name": "x" })),
        (Method::GET, ROLES, json!({})),
        (Method::GET, "/api/v1/api-keys", json!({})),
    ] {
        let answer = carl.send(method.clone(), path, Some(body)).await;
        assert_eq!(answer.status(), 403, "{method} {path}");
        drop(answer.problem(403, "forbidden"));
    }
}

#[tokio::test]
async fn the_token_of_the_longest_role_is_taken_back() {
    let (_app, alice, _) = TestApp::two_tenants().await;
    let admin = auth::PermissionSet::of(domain::Role::Admin);
    let name = "x".repeat(32);
    let all = alice.colleague_with(&name, "admin", &admin.words()).await;
    assert!(all.token().len() < 2048, "{}", all.token().len());
    drop(all.get("/api/v1/projects").await.expect(200));
}

#[tokio::test]
async fn a_changed_role_makes_its_tokens_stale_and_a_refresh_brings_the_new_rights() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let role = create(&alice, "writer", "viewer", &["projects:read"]).await;
    drop(alice.colleague("writer").await);
    let mut session = sign_in(&alice, "writer").await;
    let max = alice.colleague("member").await;
    let project = json!({ "name": "x" });
    for (change, may_write, may_read_users) in [
        (json!({ "name": "author" }), 403, 403),
        (json!({ "based_on": "member" }), 403, 403),
        (
            json!({ "permissions": ["projects:read", "projects:write"] }),
            201,
            403,
        ),
        (
            json!({ "based_on": "admin", "permissions": ["projects:read", "users:read"] }),
            403,
            200,
        ),
        (
            json!({ "based_on": "viewer", "permissions": ["projects:read"] }),
            403,
            403,
        ),
    ] {
        let before = with_token(&alice, &session);
        drop(before.get("/api/v1/projects").await.expect(200));
        let named = change["name"].as_str().unwrap_or("author").to_owned();
        drop(alice.patch(&path(&role), change.clone()).await.expect(200));
        let stale = before.get("/api/v1/projects").await;
        drop(stale.problem(401, "token_stale"));
        session = refreshed(&alice, &session).await;
        assert_eq!(session["tenant"]["role"], named, "{change}");
        let now = with_token(&alice, &session);
        drop(now.get("/api/v1/projects").await.expect(200));
        let answer = now.post("/api/v1/projects", project.clone()).await;
        drop(answer.expect(may_write));
        drop(now.get("/api/v1/users").await.expect(may_read_users));
        // The base went along, in the database too.
        let consistent =
            "memberships m JOIN roles r ON r.tenant_id = m.tenant_id AND r.id = m.custom_role_id
            WHERE m.role = r.based_on";
        assert_eq!(state::count(&app, consistent), 1);
    }
    // Others' tokens are as good as before.
    drop(max.get("/api/v1/projects").await.expect(200));
}

#[tokio::test]
async fn a_role_that_somebody_has_stays() {
    let (app, alice, _) = TestApp::two_tenants().await;
    let role = create(&alice, "auditor", "viewer", &["projects:read"]).await;
    drop(alice.colleague("auditor").await);
    let user = user_with(&alice, "auditor").await;
    let role = path(&role);
    let delete = || alice.delete(&role);
    drop(delete().await.problem(409, "role_in_use"));
    drop(
        alice
            .patch(&user, json!({ "status": "suspended" }))
            .await
            .expect(200),
    );
    drop(delete().await.problem(409, "role_in_use"));
    // Whoever is removed leaves the role behind.
    drop(alice.delete(&user).await.expect(204));
    drop(delete().await.expect(204));

    create(&alice, "auditor", "viewer", &[]).await;
    drop(
        alice
            .patch(
                &user_with(&alice, "owner").await,
                json!({ "full_name": "A" }),
            )
            .await
            .expect(200),
    );
    let body = json!({ "email": "z@z.example", "full_name": "x", "role": "auditor", "password": "correct horse" });
    drop(alice.post("/api/v1/users", body).await.expect(201));
    // A tenant goes with its roles, whoever has them.
    state::change(&app, "DELETE FROM tenants WHERE slug = 'acme-corp'");
    assert_eq!(state::count(&app, "roles"), 0);
}

//! `/users/me`: the account behind the token, whatever its role and in a tenant or in none.

use rowhouse_tests::TestApp;
use serde_json::{Value, json};

use crate::{rows::principal, state};

#[tokio::test]
async fn an_account_sees_itself_and_the_tenant_it_stands_in() {
    let app = TestApp::start().await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let who = principal(&alice);
    let answer = alice.get("/api/v1/users/me").await.expect(200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "private, no-cache");
    answer.assert_framed();
    let body = answer.json();
    assert_eq!(
        body,
        json!({
            "id": who.account,
            "email": "alice@acme.example",
            "full_name": "alice@acme.example",
            "email_verified": false,
            "mfa_enabled": false,
            "created_at": body["created_at"],
            "tenant": {
                "id": who.tenant.unwrap().id,
                "slug": "acme-corp",
                "name": "acme-corp",
                "role": "owner",
                "membership_id": body["tenant"]["membership_id"],
            },
        })
    );
    let created_at = body["created_at"].as_str().unwrap();
    assert!(created_at.ends_with('Z'), "{created_at}");
    assert!(chrono::DateTime::parse_from_rfc3339(created_at).is_ok());
}

#[tokio::test]
async fn every_role_sees_itself() {
    let app = TestApp::start().await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    for role in ["admin", "member", "viewer"] {
        let me = alice.colleague(role).await.get("/api/v1/users/me").await;
        let me = me.expect(200).json();
        assert_eq!(me["email"], format!("{role}@acme-corp.example"));
        assert_eq!(me["tenant"]["role"], role);
    }
}

#[tokio::test]
async fn an_account_without_a_tenant_sees_itself_and_nothing_else() {
    let app = TestApp::start().await;
    let body =
        json!({ "email": "carol@home.example", "password": "securepass123", "full_name": "Carol" });
    let answer = app.stranger().post("/api/v1/auth/register", body).await;
    let token = answer.expect(201).json();
    let carol = app
        .stranger()
        .with_token(token["access_token"].as_str().unwrap());
    let me = carol.get("/api/v1/users/me").await.expect(200).json();
    assert_eq!(me, token["user"]);
    assert_eq!(me["tenant"], Value::Null);
    carol
        .get("/api/v1/projects")
        .await
        .problem(403, "no_tenant");
    // A header selects, it does not grant.
    let _ = app.register("alice@acme.example", "acme-corp").await;
    carol
        .with_header("x-tenant-slug", "acme-corp")
        .get("/api/v1/projects")
        .await
        .problem(403, "no_tenant");
}

#[tokio::test]
async fn a_session_that_ended_shows_nothing_more() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let _ = alice.get("/api/v1/users/me").await.expect(200);
    state::revoke_sessions(&app, "alice@acme.example");
    let answer = alice.get("/api/v1/users/me").await;
    answer.problem(401, "session_revoked");
    let _ = bob.get("/api/v1/users/me").await.expect(200);
}

#[tokio::test]
async fn an_account_that_was_deleted_shows_nothing_more() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let carol = alice.colleague("viewer").await;
    let account = principal(&carol).account;
    state::change(
        &app,
        &format!(
            "DELETE FROM memberships WHERE account_id = '{account}';
             DELETE FROM accounts WHERE id = '{account}'"
        ),
    );
    for path in ["/api/v1/users/me", "/api/v1/projects"] {
        carol.get(path).await.problem(401, "session_revoked");
    }
}

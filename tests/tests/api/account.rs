//! `/users/me`: the account behind the token, whatever its role and in a tenant or in none.

use rowhouse_tests::TestApp;
use serde_json::{Value, json};

use crate::projects::refusal;
use crate::{rows::principal, state};

const ME: &str = "/api/v1/users/me";

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

#[tokio::test]
async fn an_account_changes_its_name_and_its_tenants_keep_theirs() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let viewer = alice.colleague("viewer").await;
    let mut me = viewer.get(ME).await.expect(200).json();
    for (body, name) in [
        (json!({ "full_name": "Vera Voss" }), "Vera Voss"),
        (json!({ "full_name": " V. Voss " }), "V. Voss"),
        (json!({}), "V. Voss"),
    ] {
        let answer = viewer.patch(ME, body).await.expect(200);
        me["full_name"] = json!(name);
        assert_eq!(answer.json(), me);
        answer.assert_framed();
        assert_eq!(viewer.get(ME).await.expect(200).json(), me);
    }
    let named = "accounts WHERE full_name = 'V. Voss' AND updated_at > created_at";
    assert_eq!(state::count(&app, named), 1);
    let in_tenant = "memberships WHERE email = 'viewer@acme-corp.example' AND full_name = 'viewer'";
    assert_eq!(state::count(&app, in_tenant), 1);
    for (caller, name) in [(&alice, "alice@acme.example"), (&bob, "bob@globex.example")] {
        let me = caller.get(ME).await.expect(200).json();
        assert_eq!(me["full_name"], name);
    }
}

#[tokio::test]
async fn an_account_changes_nothing_but_its_name() {
    let (_app, alice, _bob) = TestApp::two_tenants().await;
    let me = alice.get(ME).await.expect(200).json();
    for (field, value, code) in [
        ("full_name", json!(null), "wrong_type"),
        ("full_name", json!(""), "invalid"),
        ("full_name", json!("x".repeat(201)), "invalid"),
        ("full_name", json!(7), "wrong_type"),
        ("email", json!("mallory@acme.example"), "unknown_field"),
        ("email_verified", json!(true), "unknown_field"),
        ("mfa_enabled", json!(false), "unknown_field"),
        ("id", json!(me["id"]), "unknown_field"),
        ("tenant", json!(null), "unknown_field"),
    ] {
        let answer = alice.patch(ME, json!({ field: value })).await;
        assert_eq!(
            answer.refusals(),
            refusal(&format!("/{field}"), code),
            "{field}"
        );
    }
    assert_eq!(alice.get(ME).await.expect(200).json(), me);
}

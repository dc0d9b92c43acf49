//! `POST /users`: an admin makes managed accounts.

use rowhouse_tests::{Caller, TestApp};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::projects::refusal;
use crate::{rows::principal, state};

const USERS: &str = "/api/v1/users";

fn user(email: &str, role: &str) -> Value {
    json!({ "email": email, "full_name": "Carol Danvers", "role": role, "password": "correct horse" })
}

async fn sign_in(app: &TestApp, email: &str) -> Caller {
    let body = json!({ "email": email, "password": "correct horse", "tenant_slug": "acme-corp" });
    app.stranger().login(body).await
}

#[tokio::test]
async fn an_owner_makes_users_in_every_role_who_can_sign_in() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    for role in ["owner", "admin", "member", "viewer"] {
        let email = format!("{role}@acme.example");
        let answer = alice
            .post(USERS, user(&email.to_uppercase(), role))
            .await
            .expect(201);
        let body = answer.json();
        assert_eq!(
            body,
            json!({
                "id": body["id"],
                "email": email,
                "full_name": "Carol Danvers",
                "role": role,
                "status": "active",
                "is_active": true,
                "created_at": body["created_at"],
                "updated_at": body["updated_at"],
            })
        );
        assert_eq!(
            answer.header("location"),
            format!("{USERS}/{}", answer.id())
        );
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(Uuid::try_parse(&answer.id()).unwrap().get_version_num(), 7);
        assert!(body["created_at"].as_str().unwrap().ends_with('Z'));
        answer.assert_framed();
        let carol = sign_in(&app, &email).await;
        let me = carol.get("/api/v1/users/me").await.expect(200).json();
        assert_eq!(me["tenant"]["membership_id"], body["id"]);
        assert_eq!(me["tenant"]["role"], role);
        assert_eq!(principal(&carol).tenant, principal(&carol).tenant);
        let _ = carol.get("/api/v1/projects").await.expect(200);
    }
}

#[tokio::test]
async fn an_admin_makes_users_up_to_its_own_role() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let admin = alice.colleague("admin").await;
    let before = state::rows_of(&app, "acme-corp");
    let answer = admin.post(USERS, user("boss@acme.example", "owner")).await;
    answer.problem(403, "forbidden");
    assert_eq!(state::rows_of(&app, "acme-corp"), before);
    for role in ["admin", "member", "viewer"] {
        let answer = admin
            .post(USERS, user(&format!("{role}@acme.example"), role))
            .await;
        assert_eq!(answer.expect(201).json()["role"], role);
    }
}

#[tokio::test]
async fn members_and_viewers_make_no_users() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    for role in ["member", "viewer"] {
        let caller = alice.colleague(role).await;
        let before = state::rows_of(&app, "acme-corp");
        for granted in ["owner", "admin", "member", "viewer"] {
            let answer = caller
                .post(USERS, user("carol@acme.example", granted))
                .await;
            answer.problem(403, "forbidden");
        }
        // The permission comes before the body.
        let answer = caller.post(USERS, json!({ "nonsense": 1 })).await;
        answer.problem(403, "forbidden");
        assert_eq!(state::rows_of(&app, "acme-corp"), before);
    }
}

#[tokio::test]
async fn an_address_is_taken_once_in_a_tenant() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let _ = alice
        .post(USERS, user("carol@both.example", "member"))
        .await
        .expect(201);
    let before = state::rows_of(&app, "acme-corp");
    for email in [
        "carol@both.example",
        "Carol@Both.Example",
        "alice@acme.example",
    ] {
        let answer = alice.post(USERS, user(email, "viewer")).await;
        answer.problem(409, "email_taken");
    }
    assert_eq!(state::rows_of(&app, "acme-corp"), before);
    // Another tenant's members and a stranger's address are free: no answer tells who exists.
    for email in ["carol@both.example", "alice@acme.example"] {
        let _ = bob.post(USERS, user(email, "member")).await.expect(201);
    }
}

#[tokio::test]
async fn sixteen_who_make_one_user_at_once_make_one() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let mut callers = JoinSet::new();
    for _ in 0..16 {
        let alice = alice.clone();
        callers.spawn(async move {
            alice
                .post(USERS, user("carol@acme.example", "member"))
                .await
        });
    }
    let mut winners = 0;
    for answer in callers.join_all().await {
        if answer.status() == 201 {
            winners += 1;
        } else {
            answer.problem(409, "email_taken");
        }
    }
    assert_eq!(winners, 1);
    for table in ["accounts", "memberships"] {
        let carol = format!("{table} WHERE email = 'carol@acme.example'");
        assert_eq!(state::count(&app, &carol), 1, "{table}");
    }
}

#[tokio::test]
async fn a_managed_account_belongs_to_its_tenant_alone() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let admin = alice.colleague("admin").await;
    state::set_signup(&app, "globex-inc", "open");
    // Its address and password make a person of their own, who is nobody at Acme.
    let mut body = json!({ "email": "admin@acme-corp.example", "full_name": "A", "password": "correct horse" });
    body["tenant_slug"] = json!("globex-inc");
    let answer = app.stranger().post("/api/v1/auth/register", body).await;
    let token = answer.expect(201).json();
    assert_ne!(token["user"]["id"], json!(principal(&admin).account));
    assert_eq!(token["tenant"]["role"], "member");
    let _ = admin.get("/api/v1/projects").await.expect(200);
    let account = principal(&admin).account;
    let memberships = format!("memberships WHERE account_id = '{account}'");
    assert_eq!(state::count(&app, &memberships), 1);
}

#[tokio::test]
async fn every_value_that_breaks_a_rule_is_named() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let before = state::count(&app, "accounts");
    for (field, value, code) in [
        ("email", json!("carol"), "invalid"),
        ("email", json!(null), "wrong_type"),
        ("full_name", json!(" "), "invalid"),
        ("full_name", json!("x".repeat(201)), "invalid"),
        ("password", json!("short12"), "invalid"),
        ("password", json!("x".repeat(72)), "invalid"),
        ("role", json!("boss"), "invalid"),
        ("role", json!("Owner"), "invalid"),
        ("role", json!(null), "wrong_type"),
        ("role", json!(["owner"]), "wrong_type"),
        ("role", json!({ "owner": null }), "wrong_type"),
        ("status", json!("suspended"), "unknown_field"),
        ("account_id", json!(Uuid::now_v7()), "unknown_field"),
    ] {
        let mut body = user("carol@acme.example", "member");
        body[field] = value.clone();
        let answer = alice.post(USERS, body).await;
        assert_eq!(
            answer.refusals(),
            refusal(&format!("/{field}"), code),
            "{field} {value:.80}"
        );
    }
    let answer = alice
        .post(
            USERS,
            json!({ "email": "", "full_name": "", "role": "owner", "password": "" }),
        )
        .await;
    let expected = ["/email", "/full_name", "/password"].map(|field| refusal(field, "invalid"));
    assert_eq!(answer.refusals(), expected.concat());
    // Without a password it is an invitation, which makes no account.
    let mut invited = user("carol@acme.example", "member");
    let _ = invited.as_object_mut().unwrap().remove("password");
    let answer = alice.post(USERS, invited).await.expect(201);
    assert_eq!(answer.json()["status"], "invited");
    assert_eq!(state::count(&app, "accounts"), before);
}

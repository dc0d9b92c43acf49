//! `POST /auth/register`: an account, and a tenant with it.

use rowhouse_tests::{Answer, TestApp};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{rows::principal, state};

const REGISTER: &str = "/api/v1/auth/register";

pub(crate) fn person(email: &str) -> Value {
    json!({ "email": email, "password": "securepass123", "full_name": "Alice Liddell" })
}

pub(crate) fn founder(email: &str, slug: &str) -> Value {
    let mut body = person(email);
    body["tenant_slug"] = json!(slug);
    body
}

pub(crate) async fn register(app: &TestApp, body: Value) -> Answer {
    app.stranger().post(REGISTER, body).await
}

/// A token answer, held against all that is promised of one.
pub(crate) fn assert_is_a_token(app: &TestApp, answer: &Answer) -> Value {
    let body = answer.json();
    let caller = app
        .stranger()
        .with_token(body["access_token"].as_str().unwrap());
    let who = principal(&caller);
    let refresh = body["refresh_token"].as_str().unwrap();
    assert!(
        refresh.starts_with("rt_") && refresh.len() == 46,
        "{refresh}"
    );
    let tenant = match &who.tenant {
        Some(tenant) => json!({
            "id": tenant.id, "slug": tenant.slug, "name": body["tenant"]["name"], "role": tenant.role,
        }),
        None => Value::Null,
    };
    let mut standing = tenant.clone();
    if standing.is_object() {
        standing["membership_id"] = body["user"]["tenant"]["membership_id"].clone();
        assert!(standing["membership_id"].is_string());
    }
    let user = &body["user"];
    assert_eq!(
        body,
        json!({
            "access_token": caller.token(),
            "refresh_token": refresh,
            "token_type": "Bearer",
            "expires_in": 1800,
            "user": {
                "id": who.account,
                "email": user["email"],
                "full_name": user["full_name"],
                "email_verified": user["email_verified"] == true,
                "mfa_enabled": false,
                "created_at": user["created_at"],
                "tenant": standing,
            },
            "tenant": tenant,
        })
    );
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("set-cookie"), "");
    answer.assert_framed();
    body
}

#[tokio::test]
async fn a_new_slug_makes_a_tenant_and_its_owner() {
    let app = TestApp::start().await;
    let mut body = founder("Alice@Acme.Example", "acme-corp");
    body["tenant_name"] = json!(" Acme Corporation ");
    let answer = register(&app, body).await.expect(201);
    let token = assert_is_a_token(&app, &answer);
    assert_eq!(token["user"]["email"], "alice@acme.example");
    assert_eq!(token["user"]["full_name"], "Alice Liddell");
    assert_eq!(token["tenant"]["slug"], "acme-corp");
    assert_eq!(token["tenant"]["name"], "Acme Corporation");
    assert_eq!(token["tenant"]["role"], "owner");
    for table in [
        "tenants",
        "accounts",
        "credentials",
        "memberships",
        "sessions",
        "refresh_tokens",
    ] {
        assert_eq!(state::count(&app, table), 1, "{table}");
    }
}

#[tokio::test]
async fn a_tenant_that_nobody_named_is_called_by_its_slug() {
    let app = TestApp::start().await;
    for (slug, name) in [("acme-corp", Value::Null), ("globex-inc", json!("Globex"))] {
        let mut body = founder(&format!("alice@{slug}.example"), slug);
        body["tenant_name"] = name.clone();
        let token = register(&app, body).await.expect(201).json();
        assert_eq!(
            token["tenant"]["name"],
            if name.is_null() { json!(slug) } else { name }
        );
    }
}

#[tokio::test]
async fn without_a_slug_there_is_an_account_and_no_tenant() {
    let app = TestApp::start().await;
    let answer = register(&app, person("alice@home.example"))
        .await
        .expect(201);
    let token = assert_is_a_token(&app, &answer);
    assert_eq!(
        (&token["tenant"], &token["user"]["tenant"]),
        (&Value::Null, &Value::Null)
    );
    let mut explicit = person("bob@home.example");
    explicit["tenant_slug"] = Value::Null;
    explicit["tenant_name"] = Value::Null;
    let answer = register(&app, explicit).await.expect(201);
    assert_eq!(assert_is_a_token(&app, &answer)["tenant"], Value::Null);
    assert_eq!(state::count(&app, "tenants"), 0);
    assert_eq!(state::count(&app, "memberships"), 0);
}

#[tokio::test]
async fn a_closed_tenant_takes_nobody_in_and_no_account_is_left_behind() {
    let (app, _alice, _bob) = TestApp::two_tenants().await;
    let body = founder("carol@home.example", "acme-corp");
    for _ in 0..2 {
        let answer = register(&app, body.clone()).await;
        answer.problem(403, "signup_closed");
    }
    assert_eq!(state::count(&app, "accounts"), 2);
    assert_eq!(state::count(&app, "sessions"), 2);
    // The address is free, with whatever password.
    let mut later = person("carol@home.example");
    later["password"] = json!("another password");
    let _ = register(&app, later).await.expect(201);
    // Somebody who has an account is not taken in either, nor is the owner twice.
    for email in [
        "carol@home.example",
        "bob@globex.example",
        "alice@acme.example",
    ] {
        let mut body = founder(email, "acme-corp");
        if email.starts_with("carol") {
            body["password"] = json!("another password");
        }
        register(&app, body).await.problem(403, "signup_closed");
    }
    assert_eq!(state::count(&app, "memberships"), 2);
}

#[tokio::test]
async fn an_open_tenant_takes_everybody_in_as_a_member() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    state::set_signup(&app, "acme-corp", "open");
    let project = alice.create_project("Atlas").await.id();
    let answer = register(&app, founder("carol@home.example", "acme-corp")).await;
    let token = assert_is_a_token(&app, &answer.expect(201));
    assert_eq!(token["tenant"]["role"], "member");
    let carol = app
        .stranger()
        .with_token(token["access_token"].as_str().unwrap());
    let _ = carol
        .get(&crate::projects::path(&project))
        .await
        .expect(200);
    // Somebody known comes in by the right password only, and once only.
    let mut bob = founder("bob@globex.example", "acme-corp");
    bob["password"] = json!("not the password");
    register(&app, bob.clone())
        .await
        .problem(409, "email_taken");
    bob["password"] = json!("securepass123");
    let _ = register(&app, bob.clone()).await.expect(201);
    register(&app, bob).await.problem(409, "email_taken");
    state::set_tenant_status(&app, "acme-corp", "suspended");
    let answer = register(&app, founder("dave@home.example", "acme-corp")).await;
    answer.problem(403, "signup_closed");
}

#[tokio::test]
async fn a_domain_lets_nobody_in_whose_address_is_not_verified() {
    let (app, _alice, _bob) = TestApp::two_tenants().await;
    state::change(
        &app,
        "UPDATE tenants SET signup = 'domain', signup_domains = '{acme.example}' WHERE slug = 'acme-corp'",
    );
    for email in ["carol@acme.example", "carol@home.example"] {
        let answer = register(&app, founder(email, "acme-corp")).await;
        answer.problem(403, "signup_closed");
    }
    let _ = register(&app, person("carol@acme.example"))
        .await
        .expect(201);
    let _ = register(&app, person("carol@home.example"))
        .await
        .expect(201);
    state::change(&app, "UPDATE accounts SET email_verified = true");
    let answer = register(&app, founder("carol@home.example", "acme-corp")).await;
    answer.problem(403, "signup_closed");
    let answer = register(&app, founder("carol@acme.example", "acme-corp")).await;
    assert_eq!(answer.expect(201).json()["tenant"]["role"], "member");
}

#[tokio::test]
async fn the_right_password_adds_a_second_tenant_to_ones_account() {
    let app = TestApp::start().await;
    let first = register(&app, founder("alice@acme.example", "acme-corp"))
        .await
        .expect(201)
        .json();
    let mut body = founder("ALICE@acme.example", "acme-labs");
    body["full_name"] = json!("Somebody else");
    let answer = register(&app, body).await.expect(201);
    let second = assert_is_a_token(&app, &answer);
    assert_eq!(second["user"]["id"], first["user"]["id"]);
    assert_eq!(second["user"]["full_name"], "Alice Liddell");
    assert_eq!(second["tenant"]["slug"], "acme-labs");
    assert_eq!(second["tenant"]["role"], "owner");
    // Without a slug it is a login.
    let again = register(&app, person("alice@acme.example"))
        .await
        .expect(201)
        .json();
    assert_eq!(again["user"]["id"], first["user"]["id"]);
    assert_eq!(state::count(&app, "accounts"), 1);
    assert_eq!(state::count(&app, "tenants"), 2);
}

#[tokio::test]
async fn the_wrong_password_is_told_that_the_address_is_taken() {
    let app = TestApp::start().await;
    let _ = app.register("alice@acme.example", "acme-corp").await;
    for slug in [None, Some("acme-labs"), Some("acme-corp")] {
        let mut body = person("alice@acme.example");
        body["password"] = json!("not the password");
        body["tenant_slug"] = json!(slug);
        register(&app, body).await.problem(409, "email_taken");
    }
    assert_eq!(state::count(&app, "tenants"), 1);
    assert_eq!(state::count(&app, "sessions"), 1);
}

#[tokio::test]
async fn an_address_managed_by_a_tenant_is_free_for_a_person() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let managed = alice.colleague("admin").await;
    let email = "admin@acme-corp.example";
    // Even with the managed account's own password.
    let mut body = founder(email, "carol-and-co");
    body["password"] = json!("correct horse");
    let answer = register(&app, body).await.expect(201);
    let token = assert_is_a_token(&app, &answer);
    assert_ne!(token["user"]["id"], json!(principal(&managed).account));
    assert_eq!(token["tenant"]["role"], "owner");
    // From now on the person's own password counts.
    let answer = register(&app, founder(email, "dave-and-co")).await;
    answer.problem(409, "email_taken");
    let _ = managed.get("/api/v1/projects").await.expect(200);
    assert_eq!(
        state::count(&app, &format!("accounts WHERE email = '{email}'")),
        2
    );
}

#[tokio::test]
async fn sixteen_who_register_one_address_at_once_make_one_account() {
    let app = TestApp::start().await;
    let mut callers = JoinSet::new();
    for number in 0..16 {
        let caller = app.stranger();
        // Each believes the address to be its own.
        let mut body = founder("alice@acme.example", &format!("tenant-{number}"));
        body["password"] = json!(format!("password number {number}"));
        callers.spawn(async move { caller.post(REGISTER, body).await });
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
    for table in [
        "accounts",
        "credentials",
        "tenants",
        "memberships",
        "sessions",
    ] {
        assert_eq!(state::count(&app, table), 1, "{table}");
    }
}

#[tokio::test]
async fn one_person_who_registers_sixteen_times_at_once_has_one_account() {
    let app = TestApp::start().await;
    let mut callers = JoinSet::new();
    for _ in 0..16 {
        let caller = app.stranger();
        let body = person("alice@acme.example");
        callers.spawn(async move { caller.post(REGISTER, body).await });
    }
    let mut sessions = 0;
    for answer in callers.join_all().await {
        // Whoever comes later is let in by the password, whoever comes meanwhile is not.
        match answer.status() {
            201 => sessions += 1,
            _ => drop(answer.problem(409, "email_taken")),
        }
    }
    assert!(sessions >= 1);
    assert_eq!(state::count(&app, "sessions"), sessions);
    assert_eq!(state::count(&app, "accounts"), 1);
}

#[tokio::test]
async fn sixteen_who_register_one_slug_at_once_make_one_tenant() {
    let app = TestApp::start().await;
    let mut callers = JoinSet::new();
    for number in 0..16 {
        let caller = app.stranger();
        let body = founder(&format!("person{number}@acme.example"), "acme-corp");
        callers.spawn(async move { caller.post(REGISTER, body).await });
    }
    let mut winners = 0;
    for answer in callers.join_all().await {
        // Who comes while the slug is being taken conflicts, who comes later finds the door closed.
        match answer.status() {
            201 => winners += 1,
            403 => drop(answer.problem(403, "signup_closed")),
            _ => drop(answer.problem(409, "slug_taken")),
        }
    }
    assert_eq!(winners, 1);
    for table in [
        "accounts",
        "credentials",
        "tenants",
        "memberships",
        "sessions",
    ] {
        assert_eq!(state::count(&app, table), 1, "{table}");
    }
}

#[tokio::test]
async fn one_person_who_registers_sixteen_tenants_at_once_owns_them_all() {
    let app = TestApp::start().await;
    let _ = register(&app, person("alice@acme.example"))
        .await
        .expect(201);
    let mut callers = JoinSet::new();
    for number in 0..16 {
        let caller = app.stranger();
        let body = founder("alice@acme.example", &format!("tenant-{number}"));
        callers.spawn(async move { caller.post(REGISTER, body).await.status() });
    }
    assert_eq!(callers.join_all().await, [201; 16]);
    assert_eq!(state::count(&app, "accounts"), 1);
    assert_eq!(state::count(&app, "memberships WHERE role = 'owner'"), 16);
}

//! `POST /auth/login`: who gets in, where they stand then, and that a refusal says nothing.

use rowhouse_tests::{Answer, TestApp};
use serde_json::{Value, json};

use crate::projects::refusal;
use crate::registration::assert_is_a_token;
use crate::{rows::principal, state};

const LOGIN: &str = "/api/v1/auth/login";

async fn login(app: &TestApp, email: &str, password: &str, slug: Option<&str>) -> Answer {
    let mut body = json!({ "email": email, "password": password });
    if let Some(slug) = slug {
        body["tenant_slug"] = json!(slug);
    }
    app.stranger().post(LOGIN, body).await
}

#[tokio::test]
async fn the_right_password_opens_a_session_in_the_tenant_named() {
    let app = TestApp::start().await;
    let registered = app.register("alice@acme.example", "acme-corp").await;
    for slug in [Some("acme-corp"), None] {
        for email in ["alice@acme.example", "Alice@ACME.example"] {
            let answer = login(&app, email, "securepass123", slug).await.expect(200);
            let token = assert_is_a_token(&app, &answer);
            assert_eq!(token["tenant"]["slug"], "acme-corp");
            assert_eq!(token["tenant"]["role"], "owner");
            let caller = app
                .stranger()
                .with_token(token["access_token"].as_str().unwrap());
            assert_eq!(principal(&caller).account, principal(&registered).account);
            assert_ne!(principal(&caller).session, principal(&registered).session);
            let me = caller.get("/api/v1/users/me").await.expect(200).json();
            assert_eq!(me, token["user"]);
        }
    }
    assert_eq!(state::count(&app, "sessions"), 5);
}

#[tokio::test]
async fn every_refusal_is_the_same() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let _ = alice.colleague("member").await;
    let before = state::count(&app, "sessions");
    let acme = Some("acme-corp");
    let reference = login(&app, "alice@acme.example", "wrong password", acme).await;
    reference.problem(401, "invalid_credentials");
    assert_eq!(
        reference.header("www-authenticate"),
        "Bearer realm=\"rowhouse\""
    );
    let right = "securepass123";
    for (email, password, slug, what) in [
        (
            "alice@acme.example",
            "wrong password",
            None,
            "wrong password, no slug",
        ),
        ("alice@acme.example", "", acme, "no password"),
        ("alice@acme.example", "SECUREPASS123", acme, "another case"),
        (
            "alice@acme.example",
            " securepass123",
            acme,
            "a blank before",
        ),
        ("nobody@acme.example", right, acme, "unknown e-mail"),
        (
            "nobody@acme.example",
            right,
            None,
            "unknown e-mail, no slug",
        ),
        (
            "alice@acme.example",
            right,
            Some("no-such-tenant"),
            "unknown tenant",
        ),
        (
            "alice@acme.example",
            right,
            Some("globex-inc"),
            "not a member",
        ),
        ("bob@globex.example", right, acme, "not a member"),
        ("alice@acme.example", right, Some(""), "empty slug"),
        (
            "alice@acme.example",
            right,
            Some("Acme Corp"),
            "malformed slug",
        ),
        (
            "alice@acme.example",
            right,
            Some("ACME-CORP"),
            "slug in capitals",
        ),
        ("alice", right, acme, "malformed e-mail"),
        ("", right, acme, "empty e-mail"),
        ("' OR true--@acme.example", right, acme, "injection"),
        (
            "member@acme-corp.example",
            "correct horse",
            None,
            "managed, no slug",
        ),
        (
            "member@acme-corp.example",
            "correct horse",
            Some("globex-inc"),
            "managed elsewhere",
        ),
        (
            "member@acme-corp.example",
            right,
            acme,
            "managed, wrong password",
        ),
    ] {
        let answer = login(&app, email, password, slug).await;
        assert_eq!(answer.essence(), reference.essence(), "{what}");
    }
    let long = login(&app, "alice@acme.example", &"x".repeat(100_000), acme).await;
    assert_eq!(long.essence(), reference.essence());
    assert_eq!(state::count(&app, "sessions"), before);
}

#[tokio::test]
async fn a_body_that_is_no_login_is_named() {
    let app = TestApp::start().await;
    for (body, pointer, code) in [
        (json!({}), "/email", "missing_field"),
        (
            json!({ "email": "a@b.example" }),
            "/password",
            "missing_field",
        ),
        (
            json!({ "email": 7, "password": "x" }),
            "/email",
            "wrong_type",
        ),
        (
            json!({ "email": "a@b.example", "password": ["hunter2"] }),
            "/password",
            "wrong_type",
        ),
        (
            json!({ "email": "a@b.example", "password": "hunter2", "admin": true }),
            "/admin",
            "unknown_field",
        ),
        (
            json!({ "email": "a@b.example", "password": "hunter2\0" }),
            "/password",
            "invalid",
        ),
        (json!(["a@b.example", "hunter2"]), "", "wrong_type"),
    ] {
        let answer = app.stranger().post(LOGIN, body).await;
        assert_eq!(answer.refusals(), refusal(pointer, code));
        assert!(!answer.text().contains("hunter2"), "{}", answer.text());
    }
}

#[tokio::test]
async fn without_a_slug_one_stands_in_ones_only_tenant_or_in_none() {
    let app = TestApp::start().await;
    let password = "securepass123";
    let mut body =
        json!({ "email": "alice@acme.example", "password": password, "full_name": "Alice" });
    let stranger = app.stranger();
    for (slug, tenant) in [
        (Value::Null, Value::Null),
        (json!("acme-corp"), json!("acme-corp")),
        (json!("acme-labs"), Value::Null),
    ] {
        body["tenant_slug"] = slug;
        let _ = stranger
            .post("/api/v1/auth/register", body.clone())
            .await
            .expect(201);
        let answer = login(&app, "alice@acme.example", password, None)
            .await
            .expect(200);
        let token = assert_is_a_token(&app, &answer);
        assert_eq!(token["tenant"]["slug"], tenant);
        let caller = app
            .stranger()
            .with_token(token["access_token"].as_str().unwrap());
        let projects = caller.get("/api/v1/projects").await;
        if tenant.is_null() {
            projects.problem(403, "no_tenant");
        } else {
            let _ = projects.expect(200);
        }
    }
    for slug in ["acme-corp", "acme-labs"] {
        let answer = login(&app, "alice@acme.example", password, Some(slug)).await;
        assert_eq!(answer.expect(200).json()["tenant"]["slug"], slug);
    }
}

#[tokio::test]
async fn a_managed_account_signs_in_to_its_own_tenant_only() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let email = "carol@both.example";
    for (owner, password) in [(&alice, "password at acme"), (&bob, "password at globex")] {
        let body =
            json!({ "email": email, "full_name": "Carol", "role": "member", "password": password });
        let _ = owner.post("/api/v1/users", body).await.expect(201);
    }
    let mut accounts = Vec::new();
    for (slug, right, wrong) in [
        ("acme-corp", "password at acme", "password at globex"),
        ("globex-inc", "password at globex", "password at acme"),
    ] {
        let answer = login(&app, email, right, Some(slug)).await.expect(200);
        let token = assert_is_a_token(&app, &answer);
        assert_eq!(token["tenant"]["slug"], slug);
        accounts.push(token["user"]["id"].clone());
        let refused = login(&app, email, wrong, Some(slug)).await;
        refused.problem(401, "invalid_credentials");
        let refused = login(&app, email, right, None).await;
        refused.problem(401, "invalid_credentials");
    }
    assert_ne!(accounts[0], accounts[1]);
    // A person of the same address is a third account, and neither tenant's.
    let body = json!({ "email": email, "password": "password at home", "full_name": "Carol" });
    let _ = app
        .stranger()
        .post("/api/v1/auth/register", body)
        .await
        .expect(201);
    let answer = login(&app, email, "password at home", None)
        .await
        .expect(200);
    assert_eq!(assert_is_a_token(&app, &answer)["tenant"], Value::Null);
    for slug in ["acme-corp", "globex-inc"] {
        let refused = login(&app, email, "password at home", Some(slug)).await;
        refused.problem(401, "invalid_credentials");
    }
}

#[tokio::test]
async fn a_suspended_tenant_lets_only_its_own_members_know() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let _ = alice.colleague("member").await;
    state::set_tenant_status(&app, "acme-corp", "suspended");
    let acme = Some("acme-corp");
    for (email, password) in [
        ("alice@acme.example", "securepass123"),
        ("member@acme-corp.example", "correct horse"),
    ] {
        let answer = login(&app, email, password, acme).await;
        answer.problem(403, "tenant_suspended");
        let answer = login(&app, email, "wrong password", acme).await;
        answer.problem(401, "invalid_credentials");
    }
    let answer = login(&app, "bob@globex.example", "securepass123", acme).await;
    answer.problem(401, "invalid_credentials");
    // Without a slug one gets in, to nowhere.
    let answer = login(&app, "alice@acme.example", "securepass123", None).await;
    assert_eq!(
        assert_is_a_token(&app, &answer.expect(200))["tenant"],
        Value::Null
    );
    state::set_tenant_status(&app, "acme-corp", "active");
    let _ = login(&app, "alice@acme.example", "securepass123", acme)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_suspended_or_removed_member_is_no_member() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let acme = Some("acme-corp");
    for (role, assignment) in [
        ("admin", "status = 'suspended'"),
        ("member", "removed_at = now()"),
    ] {
        let _ = alice.colleague(role).await;
        let email = format!("{role}@acme-corp.example");
        let wrong = login(&app, &email, "wrong password", acme).await;
        state::update_member(&app, &email, assignment);
        let answer = login(&app, &email, "correct horse", acme).await;
        assert_eq!(answer.essence(), wrong.essence(), "{assignment}");
        answer.problem(401, "invalid_credentials");
    }
    // A person stays a person; another owner stays behind.
    let _ = alice.colleague("owner").await;
    state::update_member(&app, "alice@acme.example", "removed_at = now()");
    let answer = login(&app, "alice@acme.example", "securepass123", None).await;
    assert_eq!(
        assert_is_a_token(&app, &answer.expect(200))["tenant"],
        Value::Null
    );
}

#[tokio::test]
async fn a_session_keeps_where_it_came_from_and_no_token() {
    let app = TestApp::start().await;
    let _ = app.register("alice@acme.example", "acme-corp").await;
    let device = "x".repeat(1000);
    let caller = app.stranger().with_header("user-agent", &device);
    let body = json!({ "email": "alice@acme.example", "password": "securepass123" });
    let token = caller.post(LOGIN, body).await.expect(200).json();
    let kept = "sessions WHERE length(device) = 400 AND address = '127.0.0.1'";
    assert_eq!(state::count(&app, kept), 1);
    let refresh = token["refresh_token"].as_str().unwrap();
    let (_, random) = refresh.split_once('_').unwrap();
    let clear = format!(
        "refresh_tokens WHERE hash = convert_to('{refresh}', 'UTF8') OR encode(hash, 'base64') LIKE '{random}%'"
    );
    assert_eq!(state::count(&app, &clear), 0);
    let plain = "credentials WHERE password_hash NOT LIKE '$2b$%'";
    assert_eq!(state::count(&app, plain), 0);
}

#[tokio::test]
async fn what_selects_a_tenant_elsewhere_does_not_sign_in_to_it() {
    let (app, _alice, _bob) = TestApp::two_tenants().await;
    for (name, value) in [
        ("x-tenant-slug", "globex-inc"),
        ("host", "globex-inc.rowhouse.test"),
    ] {
        let body = json!({ "email": "alice@acme.example", "password": "securepass123" });
        let answer = app
            .stranger()
            .with_header(name, value)
            .post(LOGIN, body)
            .await;
        assert_eq!(answer.expect(200).json()["tenant"]["slug"], "acme-corp");
    }
}

//! Access tokens: what is none, what was one, and what one was worth a moment ago. Nothing is
//! cached: every change in the database counts with the next request.

use auth::{AccessTokenSettings, AccessTokens, SigningKey, UserPrincipal};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{Duration, Utc};
use domain::Role;
use reqwest::Method;
use rowhouse_tests::{Caller, TestApp, access_tokens};
use serde_json::{Value, json};

use crate::projects::path;
use crate::{rows::principal, state};

const CHALLENGE: &str = "Bearer realm=\"rowhouse\"";
const INVALID: &str = "Bearer realm=\"rowhouse\", error=\"invalid_token\"";

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
async fn assert_refused(caller: &Caller, status: u16, code: &str, challenge: &str) {
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
async fn assert_refused_in_tenant(caller: &Caller, status: u16, code: &str) {
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

fn issue(principal: &UserPrincipal) -> String {
    access_tokens().issue(principal, Utc::now()).unwrap()
}

fn segment(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn without_a_token_nothing_is_to_be_had() {
    let app = TestApp::start().await;
    let stranger = app.stranger();
    assert_refused(&stranger, 401, "missing_token", CHALLENGE).await;
    for scheme in ["Basic YWxpY2U6c2VjcmV0", "Token abc", "abc"] {
        let caller = stranger.with_header("authorization", scheme);
        assert_refused(&caller, 401, "missing_token", CHALLENGE).await;
    }
    // Neither a parameter nor a cookie is a credential.
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let cookie = format!("access_token={}", alice.token());
    let caller = stranger.with_header("cookie", &cookie);
    assert_refused(&caller, 401, "missing_token", CHALLENGE).await;
    let path = format!("/api/v1/projects?access_token={}", alice.token());
    stranger.get(&path).await.problem(401, "missing_token");
}

#[tokio::test]
async fn a_token_that_is_none_is_invalid() {
    let app = TestApp::start().await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let good = alice.token().to_owned();
    let parts: Vec<&str> = good.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let mut owner = claims(&good);
    owner["role"] = json!("owner");
    owner["exp"] = json!(owner["exp"].as_i64().unwrap() + 1);
    let none = segment(&json!({ "alg": "none", "typ": "JWT", "kid": "1" }));
    let none_in_capitals = segment(&json!({ "alg": "NONE", "typ": "JWT", "kid": "1" }));
    let stronger = segment(&json!({ "alg": "HS512", "typ": "JWT", "kid": "1" }));
    let other_kid = segment(&json!({ "alg": "HS256", "typ": "JWT", "kid": "2" }));
    let no_kid = segment(&json!({ "alg": "HS256", "typ": "JWT" }));
    let flipped = signature.replacen(
        signature.chars().next().unwrap(),
        if signature.starts_with('A') { "B" } else { "A" },
        1,
    );
    for token in [
        String::new(),
        "x".to_owned(),
        "..".to_owned(),
        "null".to_owned(),
        format!("{good}x"),
        format!("{good}."),
        format!("{good} {good}"),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!("{header}.{payload}.{flipped}"),
        format!("{header}.{}.{signature}", segment(&owner)),
        format!("{none}.{payload}."),
        format!("{none}.{payload}.{signature}"),
        format!("{none_in_capitals}.{payload}."),
        format!("{stronger}.{payload}.{signature}"),
        format!("{other_kid}.{payload}.{signature}"),
        format!("{no_kid}.{payload}.{signature}"),
        "a".repeat(5000),
    ] {
        let caller = app.stranger().with_token(token);
        assert_refused(&caller, 401, "invalid_token", INVALID).await;
    }
    // Two are one too many, even where each is good.
    let twice = alice.with_header("authorization", &format!("Bearer {good}"));
    assert_refused(&twice, 401, "invalid_token", INVALID).await;
    let scheme = app
        .stranger()
        .with_header("authorization", &format!("bEARER  {good}"));
    let _ = scheme.get("/api/v1/projects").await.expect(200);
}

#[tokio::test]
async fn a_token_of_another_secret_issuer_or_audience_is_invalid() {
    let app = TestApp::start().await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let who = principal(&alice);
    let ours = "a secret key of at least thirty-two bytes";
    let settings = |secret: &str| AccessTokenSettings {
        keys: vec![SigningKey {
            kid: "1".to_owned(),
            secret: secret.to_owned().into(),
        }],
        ..AccessTokenSettings::default()
    };
    let forgers = [
        settings("another secret of at least thirty-two bytes"),
        settings(&ours[..40]),
        AccessTokenSettings {
            issuer: "somebody".to_owned(),
            ..settings(ours)
        },
        AccessTokenSettings {
            audience: "platform".to_owned(),
            ..settings(ours)
        },
    ];
    for forger in forgers {
        let token = AccessTokens::new(forger)
            .unwrap()
            .issue(&who, Utc::now())
            .unwrap();
        let caller = app.stranger().with_token(token);
        assert_refused(&caller, 401, "invalid_token", INVALID).await;
    }
    // The forger's tools are good: with the secret itself they work.
    let token = AccessTokens::new(settings(ours))
        .unwrap()
        .issue(&who, Utc::now());
    let caller = app.stranger().with_token(token.unwrap());
    let _ = caller.get("/api/v1/projects").await.expect(200);
}

#[tokio::test]
async fn a_token_is_good_from_its_issue_to_its_end() {
    let app = TestApp::start().await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let who = principal(&alice);
    let claims = claims(alice.token());
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        1800
    );
    for seconds in [-1800, -1801, -1_000_000, 3600] {
        let issued = Utc::now() + Duration::seconds(seconds);
        let token = access_tokens().issue(&who, issued).unwrap();
        let caller = app.stranger().with_token(token);
        assert_refused(&caller, 401, "invalid_token", INVALID).await;
    }
    let issued = Utc::now() - Duration::seconds(1000);
    let token = access_tokens().issue(&who, issued).unwrap();
    let caller = app.stranger().with_token(token);
    let _ = caller.get("/api/v1/projects").await.expect(200);
}

#[tokio::test]
async fn a_token_of_our_own_key_that_claims_too_much_is_refused_by_the_database() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let project = bob.create_project("Globex").await.id();
    let viewer = alice.colleague("viewer").await;
    let before = state::rows_of(&app, "globex-inc");
    let (of_alice, of_bob, of_viewer) = (principal(&alice), principal(&bob), principal(&viewer));
    let mut promoted = of_viewer.clone();
    promoted.tenant.as_mut().unwrap().role = Role::Owner;
    let mut newer = of_viewer.clone();
    newer.tenant.as_mut().unwrap().role_version += 1;
    let moved = UserPrincipal {
        tenant: of_bob.tenant.clone(),
        ..of_alice.clone()
    };
    let borrowed_session = UserPrincipal {
        session: of_bob.session,
        tenant: of_bob.tenant.clone(),
        ..of_alice.clone()
    };
    let borrowed_account = UserPrincipal {
        account: of_bob.account,
        tenant: of_bob.tenant.clone(),
        ..of_alice.clone()
    };
    for (who, code) in [
        (promoted, "token_stale"),
        (newer, "token_stale"),
        (moved, "token_stale"),
        (borrowed_session, "session_revoked"),
        (borrowed_account, "session_revoked"),
    ] {
        let forged = app.stranger().with_token(issue(&who));
        forged.get("/api/v1/projects").await.problem(401, code);
        forged.get(&path(&project)).await.problem(401, code);
        if who.tenant.unwrap().role == Role::Owner {
            let answer = forged.delete(&path(&project)).await;
            answer.problem(401, code);
        }
    }
    assert_eq!(state::rows_of(&app, "globex-inc"), before);
}

#[tokio::test]
async fn a_revoked_session_ends_its_tokens_and_no_others() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let again = json!({ "email": "alice@acme.example", "password": "securepass123" });
    let other = app.stranger().login(again.clone()).await;
    let _ = alice.get("/api/v1/projects").await.expect(200);
    let session = principal(&alice).session;
    state::change(
        &app,
        &format!("UPDATE sessions SET revoked_at = now() WHERE id = '{session}'"),
    );
    assert_refused(&alice, 401, "session_revoked", INVALID).await;
    for caller in [&other, &bob] {
        let _ = caller.get("/api/v1/projects").await.expect(200);
    }
    state::change(
        &app,
        "DELETE FROM sessions WHERE revoked_at IS NULL AND device IS NULL",
    );
    assert_refused(&other, 401, "session_revoked", INVALID).await;
    let back = app.stranger().login(again).await;
    let _ = back.get("/api/v1/projects").await.expect(200);
}

#[tokio::test]
async fn a_session_that_moved_to_another_tenant_leaves_its_old_tokens_behind() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let labs = json!({ "email": "alice@acme.example", "password": "securepass123", "full_name": "Alice", "tenant_slug": "acme-labs" });
    let answer = app.stranger().post("/api/v1/auth/register", labs).await;
    let labs = answer.expect(201).json()["tenant"]["id"].clone();
    let who = principal(&alice);
    for standing in [format!("'{}'", labs.as_str().unwrap()), "NULL".to_owned()] {
        state::change(
            &app,
            &format!(
                "UPDATE sessions SET tenant_id = {standing} WHERE id = '{}'",
                who.session
            ),
        );
        assert_refused(&alice, 401, "token_stale", INVALID).await;
    }
    let nowhere = UserPrincipal {
        tenant: None,
        ..who.clone()
    };
    let nowhere = app.stranger().with_token(issue(&nowhere));
    let me = nowhere.get("/api/v1/users/me").await.expect(200).json();
    assert_eq!(me["tenant"], Value::Null);
    let home = who.tenant.unwrap().id;
    state::change(
        &app,
        &format!(
            "UPDATE sessions SET tenant_id = '{home}' WHERE id = '{}'",
            who.session
        ),
    );
    let _ = alice.get("/api/v1/projects").await.expect(200);
    nowhere
        .get("/api/v1/users/me")
        .await
        .problem(401, "token_stale");
}

#[tokio::test]
async fn a_changed_role_makes_the_token_stale_also_when_it_is_changed_back() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    let member = alice.colleague("member").await;
    let _ = member.get("/api/v1/projects").await.expect(200);
    let email = "member@acme-corp.example";
    let again = json!({ "email": email, "password": "correct horse", "tenant_slug": "acme-corp" });
    for role in ["admin", "viewer"] {
        state::update_member(&app, email, &format!("role = '{role}'"));
        // A member may not ask all of this; what it may is refused as stale.
        for path in [
            "/api/v1/projects",
            &path("0198c0de-0000-7000-8000-000000000001"),
        ] {
            let answer = member.get(path).await;
            answer.problem(401, "token_stale");
            assert_eq!(answer.header("www-authenticate"), INVALID);
        }
        let answer = member
            .post("/api/v1/projects", json!({ "name": "X" }))
            .await;
        answer.problem(401, "token_stale");
        let fresh = app.stranger().login(again.clone()).await;
        assert_eq!(principal(&fresh).tenant.unwrap().role.as_str(), role);
        let _ = fresh.get("/api/v1/projects").await.expect(200);
    }
    state::update_member(&app, email, "role = 'member'");
    member
        .get("/api/v1/projects")
        .await
        .problem(401, "token_stale");
    let fresh = app.stranger().login(again).await;
    let _ = fresh.create_project("Atlas").await;
    // A change of the name is none of the role.
    state::update_member(&app, email, "full_name = 'Somebody'");
    let _ = fresh.get("/api/v1/projects").await.expect(200);
}

#[tokio::test]
async fn a_suspended_or_removed_member_is_out_with_the_next_request() {
    let (app, alice, _bob) = TestApp::two_tenants().await;
    state::set_signup(&app, "acme-corp", "open");
    let carol = json!({ "email": "carol@home.example", "password": "securepass123" });
    let mut person = carol.clone();
    person["full_name"] = json!("Carol");
    person["tenant_slug"] = json!("acme-corp");
    let answer = app.stranger().post("/api/v1/auth/register", person).await;
    let _ = answer.expect(201);
    let carol = app.stranger().login(carol).await;
    // A permission comes before the membership; whoever is refused as no member needs all of them.
    state::update_member(&app, "carol@home.example", "role = 'owner'");
    let carol = {
        let mut who = principal(&carol);
        let tenant = who.tenant.as_mut().unwrap();
        (tenant.role, tenant.role_version) = (Role::Owner, tenant.role_version + 1);
        app.stranger().with_token(issue(&who))
    };
    let admin = alice.colleague("admin").await;
    for (caller, email, assignment) in [
        (admin, "admin@acme-corp.example", "status = 'suspended'"),
        (carol, "carol@home.example", "removed_at = now()"),
    ] {
        let _ = caller.get("/api/v1/projects").await.expect(200);
        state::update_member(&app, email, assignment);
        assert_refused_in_tenant(&caller, 403, "not_a_member").await;
        let _ = alice.get("/api/v1/projects").await.expect(200);
    }
    // A managed account goes with its membership.
    let owner = alice.colleague("owner").await;
    state::update_member(&app, "owner@acme-corp.example", "removed_at = now()");
    assert_refused(&owner, 401, "session_revoked", INVALID).await;
    state::change(&app, "DELETE FROM memberships WHERE role = 'admin'");
    let caller = alice.colleague("viewer").await;
    state::change(&app, "DELETE FROM memberships WHERE role = 'viewer'");
    caller
        .get("/api/v1/projects")
        .await
        .problem(403, "not_a_member");
}

#[tokio::test]
async fn a_suspended_tenant_is_closed_to_all_its_members_and_to_nobody_else() {
    let (app, alice, bob) = TestApp::two_tenants().await;
    let project = alice.create_project("Atlas").await.id();
    let admin = alice.colleague("admin").await;
    state::set_tenant_status(&app, "acme-corp", "suspended");
    for caller in [&alice, &admin] {
        assert_refused_in_tenant(caller, 403, "tenant_suspended").await;
    }
    let _ = bob.get("/api/v1/projects").await.expect(200);
    // Its owners may look at it, see `tenant_deletion.rs`.
    state::set_tenant_status(&app, "acme-corp", "deleting");
    assert_refused_in_tenant(&admin, 403, "tenant_deleting").await;
    let _ = bob.get("/api/v1/projects").await.expect(200);
    state::set_tenant_status(&app, "acme-corp", "active");
    for caller in [&alice, &admin] {
        let _ = caller.get(&path(&project)).await.expect(200);
    }
}

#[tokio::test]
async fn a_token_holds_nothing_that_its_bearer_may_not_read() {
    let app = TestApp::start().await;
    let alice = app.register("alice@acme.example", "acme-corp").await;
    let claims = claims(alice.token());
    let names: Vec<&str> = claims
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut expected = [
        "iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp", "tid", "tslug", "role", "rv",
    ];
    expected.sort_unstable();
    let mut names = names;
    names.sort_unstable();
    assert_eq!(names, expected);
}

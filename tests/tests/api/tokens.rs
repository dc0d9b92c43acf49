//! Access tokens: what is none, and what one holds. Nothing is cached: every change in the database
//! counts with the next request.

mod requests;
mod stale;

use auth::{AccessTokenSettings, AccessTokens, SigningKey, UserPrincipal};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{Duration, Utc};
use domain::Role;
use rowhouse_tests::{TestApp, access_tokens};
use serde_json::{Value, json};

use self::requests::assert_refused;
use crate::projects::path;
use crate::{rows::principal, state};

const CHALLENGE: &str = "Bearer realm=\"rowhouse\"";

const INVALID: &str = "Bearer realm=\"rowhouse\", error=\"invalid_token\"";

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

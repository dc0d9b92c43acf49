//! The keys of access tokens: rotation, EdDSA, and what is published of them.

use api::AppState;
use auth::{AccessTokenSettings, AccessTokens, SecretKeys, SigningKey, TokenAlgorithm};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{Duration, Utc};
use rowhouse_tests::{Caller, TestApp};
use serde_json::{Value, json};

const JWKS: &str = "/.well-known/jwks.json";
const ME: &str = "/api/v1/users/me";
const ONE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIH0lFrZ6xm9k8gfDjE7ZYSsiZBOSbxh11k51GL/KWl75\n-----END PRIVATE KEY-----\n";
const TWO: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIG+auAN1wswSJVHt6MNQN4hBdiYIk47KMykEG0W9uAfq\n-----END PRIVATE KEY-----\n";

fn hs256(current: &str, previous: &[&str]) -> AccessTokenSettings {
    let previous = previous.iter().map(|key| (*key).into()).collect();
    AccessTokenSettings {
        keys: SecretKeys::new(current.into(), previous).signing_keys(),
        ..AccessTokenSettings::default()
    }
}

fn eddsa(keys: &[&str]) -> AccessTokenSettings {
    AccessTokenSettings {
        algorithm: TokenAlgorithm::EdDsa,
        keys: keys
            .iter()
            .map(|pem| SigningKey::ed25519((*pem).into()).unwrap())
            .collect(),
        ..AccessTokenSettings::default()
    }
}

fn with(settings: AccessTokenSettings) -> impl FnOnce(&mut AppState, &mut api::Services) {
    move |state, _| state.access_tokens = AccessTokens::new(settings).unwrap()
}

fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

async fn assert_invalid(caller: &Caller, token: &str, why: &str) {
    let answer = caller.with_token(token).get(ME).await;
    assert_eq!(answer.code(), "invalid_token", "{why}");
    answer.problem(401, "invalid_token");
}

#[tokio::test]
async fn a_token_of_the_key_before_is_good_while_that_is_listed() {
    for [old, both, new] in [
        [hs256("old", &[]), hs256("new", &["old"]), hs256("new", &[])],
        [eddsa(&[ONE]), eddsa(&[TWO, ONE]), eddsa(&[TWO])],
    ] {
        let before = TestApp::start_with(with(old)).await;
        let during = before.start_beside(with(both)).await;
        let after = before.start_beside(with(new)).await;
        let registered = before
            .stranger()
            .post(
                "/api/v1/auth/register",
                json!({ "email": "alice@acme.example", "password": "securepass123", "full_name": "A" }),
            )
            .await
            .expect(201)
            .json();
        let old = registered["access_token"].as_str().unwrap();
        for app in [&before, &during] {
            let _ = app.stranger().with_token(old).get(ME).await.expect(200);
        }
        assert_invalid(&after.stranger(), old, "the key has gone").await;
        // The session outlives its keys: the refresh token is of none of them.
        let refreshed = during
            .stranger()
            .post(
                "/api/v1/auth/refresh",
                json!({ "refresh_token": registered["refresh_token"] }),
            )
            .await
            .expect(200)
            .json();
        let new = refreshed["access_token"].as_str().unwrap();
        assert_ne!(part(new, 0)["kid"], part(old, 0)["kid"]);
        for app in [&during, &after] {
            let _ = app.stranger().with_token(new).get(ME).await.expect(200);
        }
        assert_invalid(&before.stranger(), new, "not known yet").await;
    }
}

#[tokio::test]
async fn what_is_no_token_of_ours_is_refused_under_either_algorithm() {
    for (settings, other) in [
        (hs256("secret", &[]), hs256("another", &[])),
        (eddsa(&[ONE]), eddsa(&[TWO])),
    ] {
        let app = TestApp::start_with(with(settings.clone())).await;
        let registered = app
            .stranger()
            .post(
                "/api/v1/auth/register",
                json!({ "email": "alice@acme.example", "password": "securepass123", "full_name": "A" }),
            )
            .await
            .expect(201)
            .json();
        let good = registered["access_token"].as_str().unwrap();
        let stranger = app.stranger();
        let tokens = AccessTokens::new(settings.clone()).unwrap();
        let who = tokens.verify(good, Utc::now()).unwrap();
        let (header, claims) = (part(good, 0), good.split('.').nth(1).unwrap());
        let signature = good.split('.').nth(2).unwrap();
        let alg = header["alg"].as_str().unwrap();
        let claims = claims.to_owned();

        for none in ["none", "None", "NONE", ""] {
            let mut header = header.clone();
            header["alg"] = json!(none);
            for signature in ["", signature] {
                let token = format!("{}.{claims}.{signature}", encode(&header));
                assert_invalid(&stranger, &token, none).await;
            }
        }
        for kid in [json!("1"), json!(""), Value::Null] {
            let mut header = header.clone();
            header["kid"] = kid;
            let token = format!("{}.{claims}.{signature}", encode(&header));
            assert_invalid(&stranger, &token, "kid").await;
        }
        let swapped = if alg == "EdDSA" { "HS256" } else { "EdDSA" };
        let mut confused = header.clone();
        confused["alg"] = json!(swapped);
        let token = format!("{}.{claims}.{signature}", encode(&confused));
        assert_invalid(&stranger, &token, "the other algorithm").await;
        let mut owner = part(good, 1);
        owner["sub"] = json!("0198c0de-0000-7000-8000-000000000001");
        let token = format!("{}.{}.{signature}", encode(&header), encode(&owner));
        assert_invalid(&stranger, &token, "tampered").await;

        let issue = |settings: AccessTokenSettings, seconds: i64| {
            let moment = Utc::now() + Duration::seconds(seconds);
            AccessTokens::new(settings)
                .unwrap()
                .issue(&who, moment)
                .unwrap()
        };
        assert_invalid(&stranger, &issue(settings.clone(), -1800), "expired").await;
        assert_invalid(&stranger, &issue(settings.clone(), 3600), "not yet valid").await;
        let stolen_kid = AccessTokenSettings {
            keys: vec![SigningKey {
                kid: settings.keys[0].kid.clone(),
                secret: other.keys[0].secret.clone(),
            }],
            ..other
        };
        assert_invalid(&stranger, &issue(stolen_kid, 0), "another key, our kid").await;
        for (issuer, audience) in [("mallory", "rowhouse-api"), ("rowhouse", "platform")] {
            let theirs = AccessTokenSettings {
                issuer: issuer.to_owned(),
                audience: audience.to_owned(),
                ..settings.clone()
            };
            assert_invalid(&stranger, &issue(theirs, 0), issuer).await;
        }
        let _ = stranger
            .with_token(issue(settings, 0))
            .get(ME)
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn the_public_key_is_no_secret() {
    let app = TestApp::start_with(with(eddsa(&[ONE]))).await;
    let registered = app
        .stranger()
        .post(
            "/api/v1/auth/register",
            json!({ "email": "alice@acme.example", "password": "securepass123", "full_name": "A" }),
        )
        .await
        .expect(201)
        .json();
    let good = registered["access_token"].as_str().unwrap();
    let answer = app.stranger().get(JWKS).await.expect(200);
    let who = AccessTokens::new(eddsa(&[ONE]))
        .unwrap()
        .verify(good, Utc::now())
        .unwrap();
    let set = answer.json();
    let (kid, x) = (
        set["keys"][0]["kid"].as_str().unwrap(),
        set["keys"][0]["x"].as_str().unwrap(),
    );
    assert_eq!(part(good, 0)["kid"], kid);
    for secret in [x, answer.text(), ONE] {
        let forger = AccessTokenSettings {
            keys: vec![SigningKey {
                kid: kid.to_owned(),
                secret: secret.into(),
            }],
            ..AccessTokenSettings::default()
        };
        let forged = AccessTokens::new(forger).unwrap().issue(&who, Utc::now());
        assert_invalid(&app.stranger(), &forged.unwrap(), "HS256 by a public key").await;
    }
    let _ = app.stranger().with_token(good).get(ME).await.expect(200);
}

#[tokio::test]
async fn what_is_published_is_public_and_may_be_kept_for_a_while() {
    let app = TestApp::start().await;
    let answer = app.stranger().get(JWKS).await.expect(200);
    assert_eq!(answer.json(), json!({ "keys": [] }));
    let app = app.start_beside(with(eddsa(&[TWO, ONE]))).await;
    let answer = app.stranger().get(JWKS).await.expect(200);
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    assert_eq!(answer.header("content-type"), "application/json");
    answer.assert_framed();
    let set = answer.json();
    let keys = set["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    for key in keys {
        let mut members: Vec<&String> = key.as_object().unwrap().keys().collect();
        members.sort_unstable();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
        let public = [&key["kty"], &key["crv"], &key["alg"], &key["use"]];
        assert_eq!(public, ["OKP", "Ed25519", "EdDSA", "sig"]);
    }
}

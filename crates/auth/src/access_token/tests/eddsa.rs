//! EdDSA: what HS256 promises, and that neither is taken for the other.

use super::*;
use crate::TokenAlgorithm;

const ONE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIH0lFrZ6xm9k8gfDjE7ZYSsiZBOSbxh11k51GL/KWl75\n-----END PRIVATE KEY-----\n";
const TWO: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIG+auAN1wswSJVHt6MNQN4hBdiYIk47KMykEG0W9uAfq\n-----END PRIVATE KEY-----\n";

fn ed25519(pem: &str) -> SigningKey {
    SigningKey::ed25519(pem.into()).unwrap()
}

fn settings(keys: Vec<SigningKey>) -> AccessTokenSettings {
    AccessTokenSettings {
        algorithm: TokenAlgorithm::EdDsa,
        keys,
        ..AccessTokenSettings::default()
    }
}

fn signed_by(keys: &[&str]) -> AccessTokens {
    AccessTokens::new(settings(keys.iter().map(|pem| ed25519(pem)).collect())).unwrap()
}

fn published(tokens: &AccessTokens) -> Value {
    serde_json::to_value(tokens.public_keys()).unwrap()
}

fn header_of(token: &str) -> Value {
    let header = token.split('.').next().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}

#[test]
fn what_was_issued_is_verified_until_it_expires() {
    let (tokens, principal) = (signed_by(&[ONE]), principal());
    let token = tokens.issue(&principal, now()).unwrap();
    assert_eq!(header_of(&token)["alg"], "EdDSA");
    assert_eq!(tokens.verify(&token, now()), Ok(principal));
    for late in [-6, 1800] {
        let then = now() + TimeDelta::seconds(late);
        assert_eq!(tokens.verify(&token, then), Err(InvalidToken));
    }
}

#[test]
fn the_public_keys_verify_and_hold_nothing_private() {
    let tokens = signed_by(&[ONE, TWO]);
    let token = tokens.issue(&principal(), now()).unwrap();
    let set = published(&tokens);
    let keys = set["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0]["kid"], header_of(&token)["kid"]);
    for key in keys {
        let mut members: Vec<&String> = key.as_object().unwrap().keys().collect();
        members.sort_unstable();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
        assert_eq!(
            (&key["kty"], &key["crv"]),
            (&json!("OKP"), &json!("Ed25519"))
        );
    }
    let key: jsonwebtoken::jwk::Jwk = serde_json::from_value(keys[0].clone()).unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&["rowhouse-api"]);
    validation.validate_exp = false;
    let key = DecodingKey::from_jwk(&key).unwrap();
    assert!(jsonwebtoken::decode::<Value>(&token, &key, &validation).is_ok());
}

#[test]
fn under_hs256_nothing_is_published() {
    assert_eq!(published(&super::tokens()), json!({ "keys": [] }));
}

#[test]
fn keys_rotate() {
    let of_old = signed_by(&[ONE]).issue(&principal(), now()).unwrap();
    let both = signed_by(&[TWO, ONE]);
    let of_both = both.issue(&principal(), now()).unwrap();
    let new = signed_by(&[TWO]);
    assert!(both.verify(&of_old, now()).is_ok());
    assert!(new.verify(&of_both, now()).is_ok());
    assert_eq!(new.verify(&of_old, now()), Err(InvalidToken));
}

#[test]
fn a_public_key_is_no_secret_of_hs256() {
    let tokens = signed_by(&[ONE]);
    let good = tokens.issue(&principal(), now()).unwrap();
    let set = published(&tokens);
    let (kid, x) = (
        &set["keys"][0]["kid"],
        set["keys"][0]["x"].as_str().unwrap(),
    );
    let raw = URL_SAFE_NO_PAD.decode(x).unwrap();
    for secret in [
        raw.as_slice(),
        x.as_bytes(),
        set.to_string().as_bytes(),
        b"",
    ] {
        let header = json!({ "typ": "JWT", "alg": "HS256", "kid": kid });
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", encode(&header), encode(&claims_of(&good)));
        let key = EncodingKey::from_secret(secret);
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        let forged = format!("{message}.{signature}");
        assert_eq!(tokens.verify(&forged, now()), Err(InvalidToken));
    }
}

#[test]
fn neither_algorithm_takes_the_others_tokens() {
    let eddsa = signed_by(&[ONE]);
    let kid = header_of(&eddsa.issue(&principal(), now()).unwrap())["kid"].clone();
    let hs256 = tokens_under(vec![key(kid.as_str().unwrap(), SECRET)]);
    let (of_eddsa, of_hs256) = (
        eddsa.issue(&principal(), now()).unwrap(),
        hs256.issue(&principal(), now()).unwrap(),
    );
    assert_eq!(eddsa.verify(&of_hs256, now()), Err(InvalidToken));
    assert_eq!(hs256.verify(&of_eddsa, now()), Err(InvalidToken));
}

#[test]
fn a_change_to_any_part_is_refused() {
    let tokens = signed_by(&[ONE]);
    let token = tokens.issue(&principal(), now()).unwrap();
    for position in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert_eq!(
            tokens.verify(&changed, now()),
            Err(InvalidToken),
            "{position}"
        );
    }
}

#[test]
fn what_is_no_ed25519_key_is_refused() {
    for pem in [
        "",
        "secret",
        &ONE.replace("PRIVATE", "PUBLIC"),
        ONE.trim_end_matches("-----END PRIVATE KEY-----\n"),
    ] {
        let refused = SigningKey::ed25519(pem.into()).unwrap_err();
        assert!(matches!(refused, AuthError::NotAnEd25519Key(_)), "{pem}");
    }
    let secret = vec![key("1", SECRET)];
    let refused = AccessTokens::new(settings(secret)).unwrap_err();
    assert!(matches!(refused, AuthError::NotAnEd25519Key(_)));
}

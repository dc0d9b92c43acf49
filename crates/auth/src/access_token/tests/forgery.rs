//! Everything that must not pass for an access token.

use super::*;

/// A token of any content, signed under any secret: what a forger, or a careless neighbour, makes.
fn forge(header: &Value, claims: &Value, secret: &str, algorithm: Algorithm) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let message = format!("{}.{}", encode(header), encode(claims));
    let key = EncodingKey::from_secret(secret.as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
    format!("{message}.{signature}")
}

fn header() -> Value {
    json!({"typ": "JWT", "alg": "HS256", "kid": "1"})
}

fn claims() -> Value {
    claims_of(&tokens().issue(&principal(), now()).unwrap())
}

/// Replaces (or, by null, removes) one member.
fn with(mut object: Value, name: &str, value: Value) -> Value {
    let members = object.as_object_mut().unwrap();
    match value {
        Value::Null => members.remove(name),
        value => members.insert(name.to_owned(), value),
    };
    object
}

fn assert_refused(token: &str, why: &str) {
    assert_eq!(tokens().verify(token, now()), Err(InvalidToken), "{why}");
}

#[test]
fn the_forger_used_below_can_make_a_valid_token() {
    let token = forge(&header(), &claims(), SECRET, Algorithm::HS256);
    assert!(tokens().verify(&token, now()).is_ok());
}

#[test]
fn a_token_without_a_signature_is_refused() {
    for alg in ["none", "None", "NONE", ""] {
        let token = forge(
            &with(header(), "alg", json!(alg)),
            &claims(),
            SECRET,
            Algorithm::HS256,
        );
        assert_refused(&token, alg);
        let (message, _) = token.rsplit_once('.').unwrap();
        assert_refused(&format!("{message}."), alg);
        assert_refused(message, alg);
    }
    let signed = forge(&header(), &claims(), SECRET, Algorithm::HS256);
    let (message, _) = signed.rsplit_once('.').unwrap();
    assert_refused(&format!("{message}."), "HS256 and no signature");
}

#[test]
fn another_algorithm_is_refused_even_under_our_secret() {
    for alg in ["RS256", "ES256", "EdDSA", "PS256"] {
        let token = forge(
            &with(header(), "alg", json!(alg)),
            &claims(),
            SECRET,
            Algorithm::HS256,
        );
        assert_refused(&token, alg);
    }
    for (alg, algorithm) in [("HS384", Algorithm::HS384), ("HS512", Algorithm::HS512)] {
        let token = forge(
            &with(header(), "alg", json!(alg)),
            &claims(),
            SECRET,
            algorithm,
        );
        assert_refused(&token, alg);
    }
}

#[test]
fn a_missing_or_unknown_key_id_is_refused() {
    for kid in [Value::Null, json!("2"), json!(""), json!("../1")] {
        let token = forge(
            &with(header(), "kid", kid),
            &claims(),
            SECRET,
            Algorithm::HS256,
        );
        assert_refused(&token, "kid");
    }
    let other = tokens_under(vec![key("1", "quite another secret of 32 bytes.")]);
    let token = other.issue(&principal(), now()).unwrap();
    assert_refused(&token, "same kid, other secret");
}

#[test]
fn a_critical_extension_is_refused() {
    let token = forge(
        &with(header(), "crit", json!(["b64"])),
        &claims(),
        SECRET,
        Algorithm::HS256,
    );
    assert_refused(&token, "crit");
}

#[test]
fn another_issuer_or_audience_is_refused() {
    for (claim, values) in [
        (
            "iss",
            [
                json!("mallory"),
                json!(""),
                json!(["rowhouse"]),
                Value::Null,
            ],
        ),
        (
            "aud",
            [
                json!("platform"),
                json!(""),
                json!(["rowhouse-api"]),
                Value::Null,
            ],
        ),
    ] {
        for value in values {
            let claims = with(claims(), claim, value);
            assert_refused(&forge(&header(), &claims, SECRET, Algorithm::HS256), claim);
        }
    }
}

#[test]
fn a_missing_or_mistyped_claim_is_refused() {
    let whole = claims();
    for claim in whole.as_object().unwrap().keys() {
        for value in [Value::Null, json!([]), json!({})] {
            let claims = with(whole.clone(), claim, value);
            assert_refused(&forge(&header(), &claims, SECRET, Algorithm::HS256), claim);
        }
    }
    for (claim, value) in [
        ("exp", json!("1767333845")),
        ("exp", json!(1.0e18)),
        ("exp", json!(-1)),
        ("nbf", json!(i64::MAX)),
        ("sub", json!("owner@dunder-mifflin.example")),
        ("role", json!("root")),
        ("rv", json!(1_u64 << 40)),
    ] {
        let claims = with(claims(), claim, value);
        assert_refused(&forge(&header(), &claims, SECRET, Algorithm::HS256), claim);
    }
}

#[test]
fn a_change_to_any_part_is_refused() {
    let token = tokens().issue(&principal(), now()).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let raised =
        URL_SAFE_NO_PAD.encode(with(claims_of(&token), "role", json!("owner")).to_string());
    assert_refused(&format!("{}.{raised}.{}", parts[0], parts[2]), "payload");
    for position in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
        assert_refused(&String::from_utf8(bytes).unwrap(), "one character");
    }
    let other = tokens().issue(&principal(), now()).unwrap();
    let signature = other.rsplit_once('.').unwrap().1;
    assert_refused(
        &format!("{}.{}.{signature}", parts[0], parts[1]),
        "another's signature",
    );
}

#[test]
fn garbage_is_refused() {
    let token = tokens().issue(&principal(), now()).unwrap();
    for garbage in [
        "".to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        "e30.e30.e30".to_owned(),
        "null".to_owned(),
        "\0".to_owned(),
        "ключ.ключ.ключ".to_owned(),
        format!("{token}."),
        format!(".{token}"),
        format!(" {token}"),
        format!("{token}="),
        format!("Bearer {token}"),
        "a".repeat(4097),
        format!("{token}{}", "A".repeat(10_000)),
    ] {
        assert_refused(&garbage, &garbage);
    }
    let long = with(claims(), "tslug", json!("a".repeat(4096)));
    assert_refused(
        &forge(&header(), &long, SECRET, Algorithm::HS256),
        "well signed but over-long",
    );
}

#[test]
fn a_custom_role_that_contradicts_itself_is_refused_and_grants_nothing_beyond_its_base() {
    let custom = || claims_of(&tokens().issue(&auditor(), now()).unwrap());
    for (claims, why) in [
        (with(custom(), "base", Value::Null), "no base"),
        (with(custom(), "perms", Value::Null), "no permissions"),
        (
            with(custom(), "base", json!("auditor")),
            "a base that is none",
        ),
        (with(custom(), "perms", json!("users:read")), "no list"),
        (
            with(custom(), "role", json!("admin")),
            "a built-in role with permissions",
        ),
        (with(custom(), "role", json!("Auditor")), "no name"),
        (
            with(claims(), "base", json!("admin")),
            "a built-in role with a base",
        ),
        (
            with(claims(), "perms", json!([])),
            "a built-in role with permissions",
        ),
    ] {
        let token = forge(&header(), &claims, SECRET, Algorithm::HS256);
        assert_refused(&token, why);
    }
    let words = json!(["users:read", "tenant:delete", "coffee:brew"]);
    let greedy = with(custom(), "perms", words);
    let token = forge(&header(), &greedy, SECRET, Algorithm::HS256);
    let tenant = tokens().verify(&token, now()).unwrap().tenant.unwrap();
    assert_eq!(tenant.permissions().words(), ["users:read"]);
}

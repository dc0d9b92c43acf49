//! What an access token says, how long it lives, under which keys.

mod eddsa;
mod forgery;

use super::*;
use crate::Permission;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{TimeDelta, TimeZone};
use domain::CustomRoleName;
use serde_json::{Value, json};

const SECRET: &str = "a secret of more than thirty-two bytes";

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 1, 2, 3, 4, 5).unwrap()
}

fn key(kid: &str, secret: &str) -> SigningKey {
    SigningKey {
        kid: kid.to_owned(),
        secret: secret.into(),
    }
}

fn tokens_under(keys: Vec<SigningKey>) -> AccessTokens {
    AccessTokens::new(AccessTokenSettings {
        keys,
        ..AccessTokenSettings::default()
    })
    .unwrap()
}

fn tokens() -> AccessTokens {
    tokens_under(vec![key("1", SECRET)])
}

fn principal() -> UserPrincipal {
    UserPrincipal {
        account: AccountId::generate(),
        session: SessionId::generate(),
        tenant: Some(TenantClaim {
            id: TenantId::generate(),
            slug: "dunder-mifflin".to_owned(),
            role: Role::Admin,
            role_version: 3,
            custom_role: None,
        }),
    }
}

/// The same with a custom role.
fn auditor() -> UserPrincipal {
    let mut principal = principal();
    if let Some(tenant) = &mut principal.tenant {
        tenant.custom_role = Some(CustomRoleClaim {
            name: CustomRoleName::parse("auditor").unwrap(),
            permissions: [Permission::UsersRead, Permission::ProjectsRead]
                .into_iter()
                .collect(),
        });
    }
    principal
}

fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[test]
fn what_was_issued_is_verified() {
    for principal in [
        principal(),
        auditor(),
        UserPrincipal {
            tenant: None,
            ..principal()
        },
    ] {
        let token = tokens().issue(&principal, now()).unwrap();
        assert_eq!(tokens().verify(&token, now()), Ok(principal));
    }
}

#[test]
fn a_custom_role_is_told_by_name_base_and_permissions() {
    let claims = claims_of(&tokens().issue(&auditor(), now()).unwrap());
    assert_eq!(claims["role"], "auditor");
    assert_eq!(claims["base"], "admin");
    assert_eq!(claims["perms"], json!(["projects:read", "users:read"]));
}

#[test]
fn the_longest_token_has_a_kilobyte() {
    let mut principal = auditor();
    if let Some(tenant) = &mut principal.tenant {
        tenant.slug = "x".repeat(63);
        tenant.role_version = i32::MAX;
        tenant.custom_role = Some(CustomRoleClaim {
            name: CustomRoleName::parse(&"x".repeat(CustomRoleName::MAX)).unwrap(),
            permissions: PermissionSet::of(Role::Admin),
        });
    }
    let token = tokens().issue(&principal, now()).unwrap();
    assert!(token.len() < 1280, "{}", token.len());
}

#[test]
fn a_token_carries_these_claims() {
    let principal = principal();
    let token = tokens().issue(&principal, now()).unwrap();
    let tenant = principal.tenant.unwrap();
    let claims = claims_of(&token);
    let jti = claims["jti"].clone();
    assert_eq!(
        claims,
        json!({
            "iss": "rowhouse", "aud": "rowhouse-api", "sub": principal.account,
            "sid": principal.session, "jti": jti, "tid": tenant.id, "tslug": "dunder-mifflin",
            "role": "admin", "rv": 3, "iat": 1_767_323_045, "nbf": 1_767_323_045,
            "exp": 1_767_323_045 + 1800,
        })
    );
    assert_eq!(
        jsonwebtoken::decode_header(&token).unwrap().kid.as_deref(),
        Some("1")
    );
    let unsettled = tokens()
        .issue(
            &UserPrincipal {
                tenant: None,
                ..principal
            },
            now(),
        )
        .unwrap();
    assert!(claims_of(&unsettled).get("tid").is_none());
}

#[test]
fn keys_rotate() {
    let old = tokens_under(vec![key("old", SECRET)]);
    let both = tokens_under(vec![key("new", "new secret"), key("old", SECRET)]);
    let new = tokens_under(vec![key("new", "new secret")]);
    let of_old = old.issue(&principal(), now()).unwrap();
    let of_both = both.issue(&principal(), now()).unwrap();
    assert!(both.verify(&of_old, now()).is_ok());
    assert!(new.verify(&of_both, now()).is_ok());
    assert_eq!(new.verify(&of_old, now()), Err(InvalidToken));
}

#[test]
fn a_token_lives_from_its_issue_to_its_expiry() {
    let tokens = tokens();
    let token = tokens.issue(&principal(), now()).unwrap();
    let at = |seconds| {
        tokens
            .verify(&token, now() + TimeDelta::seconds(seconds))
            .is_ok()
    };
    assert!(at(0) && at(1799));
    assert!(!at(1800) && !at(1801) && !at(1_000_000));
    assert!(at(-5), "the leeway for another server's clock");
    assert!(!at(-6));
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let settings = |keys| AccessTokenSettings {
        keys,
        ..AccessTokenSettings::default()
    };
    let refuse = |settings| AccessTokens::new(settings).unwrap_err();
    assert!(matches!(refuse(settings(vec![])), AuthError::NoSigningKey));
    assert!(matches!(
        refuse(settings(vec![key("1", "")])),
        AuthError::EmptySecret { .. }
    ));
    let twice = vec![key("1", "a"), key("1", "b")];
    assert!(matches!(
        refuse(settings(twice)),
        AuthError::DuplicateKeyId { .. }
    ));
    let dead = AccessTokenSettings {
        lifetime_seconds: 0,
        ..settings(vec![key("1", "a")])
    };
    assert!(matches!(
        refuse(dead),
        AuthError::Lifetime {
            lifetime_seconds: 0
        }
    ));
}

#[test]
fn debug_shows_no_secret() {
    let settings = AccessTokenSettings {
        keys: vec![key("1", SECRET)],
        ..AccessTokenSettings::default()
    };
    assert!(!format!("{settings:?}{:?}", tokens()).contains(SECRET));
}

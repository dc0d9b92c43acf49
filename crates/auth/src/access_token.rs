//! Access tokens: a [`UserPrincipal`] as a JSON Web Token (RFC 7519) under HS256 (RFC 7518, 3.2), and
//! back. Follows RFC 8725: one algorithm, pinned; issuer and audience always checked.

use chrono::{DateTime, Utc};
use domain::{AccountId, Role, RoleName, SessionId, TenantId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

use crate::{AuthError, CustomRoleClaim, InvalidToken, PermissionSet, TenantClaim, UserPrincipal};

/// Ours have some 600 bytes, and at most some 1200, with a custom role that permits all that one can;
/// what is much longer is not looked at.
const MAX_TOKEN_BYTES: usize = 4096;

/// How far ahead the issuing server's clock may be. For `nbf` only: a token never lives longer than
/// it says.
const NOT_BEFORE_LEEWAY_SECONDS: i64 = 5;

/// How access tokens are made and checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct AccessTokenSettings {
    /// `iss`: who issues. Default `rowhouse`.
    pub issuer: String,
    /// `aud`: for whom. Default `rowhouse-api`.
    pub audience: String,
    /// How long a token is good, in seconds. Default 1800.
    pub lifetime_seconds: i64,
    /// The first signs, all verify. To rotate: put the new key in front, drop the old one a
    /// lifetime later. Default: none, which is refused.
    pub keys: Vec<SigningKey>,
}

impl Default for AccessTokenSettings {
    fn default() -> Self {
        Self {
            issuer: "rowhouse".to_owned(),
            audience: "rowhouse-api".to_owned(),
            lifetime_seconds: 1800,
            keys: Vec::new(),
        }
    }
}

/// One key for access tokens.
#[derive(Clone, Debug, Deserialize)]
pub struct SigningKey {
    /// Its id, in the header of every token that it signed. Not secret.
    pub kid: String,
    /// Its secret; the key is the bytes of this text. RFC 7518 asks for 32 at least, which
    /// production enforces.
    pub secret: SecretString,
}

/// Issues and verifies access tokens. Pure computation, some microseconds a call; share it behind
/// an `Arc`.
pub struct AccessTokens {
    issuer: String,
    audience: String,
    lifetime_seconds: i64,
    signing: (Header, EncodingKey),
    verifying: Vec<(String, DecodingKey)>,
    validation: Validation,
}

/// The wire format. Four claims describe the tenant: all are there, or none. Two more come with a
/// custom role, whose name then stands in `role`.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: AccountId,
    sid: SessionId,
    jti: Uuid,
    iat: i64,
    nbf: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tid: Option<TenantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tslug: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    /// What a custom role is based on.
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<Role>,
    /// What a custom role permits.
    #[serde(skip_serializing_if = "Option::is_none")]
    perms: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rv: Option<i32>,
}

impl AccessTokens {
    /// Checks the settings and prepares the keys.
    ///
    /// # Errors
    /// No key, an empty secret, an id used twice, a lifetime below one second.
    pub fn new(settings: AccessTokenSettings) -> Result<Self, AuthError> {
        let AccessTokenSettings {
            issuer,
            audience,
            lifetime_seconds,
            keys,
        } = settings;
        if lifetime_seconds < 1 {
            return Err(AuthError::Lifetime { lifetime_seconds });
        }
        let mut verifying: Vec<(String, DecodingKey)> = Vec::new();
        for SigningKey { kid, secret } in &keys {
            if secret.expose_secret().is_empty() {
                return Err(AuthError::EmptySecret { kid: kid.clone() });
            }
            if verifying.iter().any(|(known, _)| known == kid) {
                return Err(AuthError::DuplicateKeyId { kid: kid.clone() });
            }
            verifying.push((
                kid.clone(),
                DecodingKey::from_secret(secret.expose_secret().as_bytes()),
            ));
        }
        let first = keys.into_iter().next().ok_or(AuthError::NoSigningKey)?;
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(first.kid);
        let signing = (
            header,
            EncodingKey::from_secret(first.secret.expose_secret().as_bytes()),
        );

        // Pins the algorithm: a token's own `alg` is compared with it and never followed.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[&issuer]);
        validation.set_audience(&[&audience]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        // The library reads the system's clock; `verify` compares with its caller's instead.
        validation.validate_exp = false;
        validation.validate_nbf = false;

        Ok(Self {
            issuer,
            audience,
            lifetime_seconds,
            signing,
            verifying,
            validation,
        })
    }

    /// How long a new token is good, in seconds: the `expires_in` of a token answer.
    #[must_use]
    pub const fn lifetime_seconds(&self) -> i64 {
        self.lifetime_seconds
    }

    /// A signed token that says what `principal` says, good from `now` on for the lifetime.
    ///
    /// # Errors
    /// [`AuthError::Signing`], which no valid key brings about.
    pub fn issue(
        &self,
        principal: &UserPrincipal,
        now: DateTime<Utc>,
    ) -> Result<String, AuthError> {
        let tenant = principal.tenant.as_ref();
        let custom_role = tenant.and_then(|tenant| tenant.custom_role.as_ref());
        let issued_at = now.timestamp();
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: principal.account,
            sid: principal.session,
            jti: Uuid::new_v4(),
            iat: issued_at,
            nbf: issued_at,
            exp: issued_at.saturating_add(self.lifetime_seconds),
            tid: tenant.map(|tenant| tenant.id),
            tslug: tenant.map(|tenant| tenant.slug.clone()),
            role: tenant.map(|tenant| match &tenant.custom_role {
                Some(custom) => custom.name.to_string(),
                None => tenant.role.to_string(),
            }),
            base: custom_role.and(tenant).map(|tenant| tenant.role),
            perms: custom_role.map(|custom| {
                let permissions = custom.permissions.iter();
                permissions
                    .map(|permission| permission.to_string())
                    .collect()
            }),
            rv: tenant.map(|tenant| tenant.role_version),
        };
        let (header, key) = &self.signing;
        jsonwebtoken::encode(header, &claims, key).map_err(AuthError::Signing)
    }

    /// Who a token speaks for, at `now`: the signature is of a known key under HS256, issuer and
    /// audience are ours, `nbf <= now + 5 s` and `now < exp` (whole seconds).
    ///
    /// # Errors
    /// [`InvalidToken`] for everything else, whatever the reason.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<UserPrincipal, InvalidToken> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(InvalidToken);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| InvalidToken)?;
        // RFC 7515, 4.1.11: an extension marked critical and not understood is a refusal.
        if header.crit.is_some() {
            return Err(InvalidToken);
        }
        let kid = header.kid.ok_or(InvalidToken)?;
        let (_, key) = self
            .verifying
            .iter()
            .find(|(known, _)| *known == kid)
            .ok_or(InvalidToken)?;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &self.validation)
            .map_err(|_| InvalidToken)?
            .claims;
        let now = now.timestamp();
        if now >= claims.exp || now < claims.nbf.saturating_sub(NOT_BEFORE_LEEWAY_SECONDS) {
            return Err(InvalidToken);
        }
        Ok(UserPrincipal {
            account: claims.sub,
            session: claims.sid,
            tenant: claims.tenant()?,
        })
    }
}

impl Claims {
    fn tenant(self) -> Result<Option<TenantClaim>, InvalidToken> {
        let (id, slug, role, role_version) = match (self.tid, self.tslug, self.role, self.rv) {
            (Some(id), Some(slug), Some(role), Some(version)) => (id, slug, role, version),
            (None, None, None, None) if self.base.is_none() && self.perms.is_none() => {
                return Ok(None);
            }
            _ => return Err(InvalidToken),
        };
        let role = RoleName::parse(&role).map_err(|_| InvalidToken)?;
        let (role, custom_role) = match (role, self.base, self.perms) {
            (RoleName::BuiltIn(role), None, None) => (role, None),
            (RoleName::Custom(name), Some(base), Some(words)) => {
                let words = words.iter().map(String::as_str);
                let permissions = PermissionSet::granted(words, base);
                (base, Some(CustomRoleClaim { name, permissions }))
            }
            _ => return Err(InvalidToken),
        };
        Ok(Some(TenantClaim {
            id,
            slug,
            role,
            role_version,
            custom_role,
        }))
    }
}

impl fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessTokens")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

//! Access tokens: a [`UserPrincipal`] as a JSON Web Token (RFC 7519) under HS256 (RFC 7518, 3.2) or
//! EdDSA (RFC 8037), and back. Follows RFC 8725: one algorithm, pinned by the settings and never
//! read from a token; issuer and audience always checked.

use chrono::{DateTime, Utc};
use domain::{AccountId, Role, RoleName, SessionId, TenantId};
use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse, ThumbprintHash};
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
    /// Of all keys. Default HS256.
    pub algorithm: TokenAlgorithm,
    /// The first signs, all verify. To rotate: put the new key in front, drop the old one a
    /// lifetime later. Default: none, which is refused.
    pub keys: Vec<SigningKey>,
}

/// How access tokens are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum TokenAlgorithm {
    /// HMAC with SHA-256: whoever can verify a token can also make one.
    #[default]
    #[serde(rename = "HS256")]
    Hs256,
    /// Ed25519: others verify with the public keys of [`AccessTokens::public_keys`].
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Default for AccessTokenSettings {
    fn default() -> Self {
        Self {
            issuer: "rowhouse".to_owned(),
            audience: "rowhouse-api".to_owned(),
            lifetime_seconds: 1800,
            algorithm: TokenAlgorithm::default(),
            keys: Vec::new(),
        }
    }
}

/// One key for access tokens.
#[derive(Clone, Debug, Deserialize)]
pub struct SigningKey {
    /// Its id, in the header of every token that it signed. Not secret.
    pub kid: String,
    /// Its secret. HS256: the key is the bytes of this text; RFC 7518 asks for 32 at least, which
    /// production enforces. EdDSA: an Ed25519 private key as PKCS #8 in PEM.
    pub secret: SecretString,
}

impl SigningKey {
    /// An Ed25519 private key, PKCS #8 in PEM, named by the thumbprint of its public key (RFC 7638,
    /// RFC 8037 A.3).
    ///
    /// # Errors
    /// [`AuthError::NotAnEd25519Key`].
    pub fn ed25519(pem: SecretString) -> Result<Self, AuthError> {
        let public = public_key(&ed25519(&pem)?)?;
        let kid = public
            .thumbprint(ThumbprintHash::SHA256)
            .map_err(AuthError::NotAnEd25519Key)?;
        Ok(Self { kid, secret: pem })
    }
}

/// Issues and verifies access tokens. Pure computation, some microseconds a call; share it behind
/// an `Arc`.
pub struct AccessTokens {
    issuer: String,
    audience: String,
    lifetime_seconds: i64,
    signing: (Header, EncodingKey),
    verifying: Vec<(String, DecodingKey)>,
    public_keys: JwkSet,
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
            algorithm,
            keys,
        } = settings;
        if lifetime_seconds < 1 {
            return Err(AuthError::Lifetime { lifetime_seconds });
        }
        let mut prepared: Vec<Prepared> = Vec::new();
        for key in keys {
            if prepared.iter().any(|known| known.kid == key.kid) {
                return Err(AuthError::DuplicateKeyId { kid: key.kid });
            }
            prepared.push(Prepared::of(key, algorithm)?);
        }
        let public_keys = JwkSet {
            keys: prepared
                .iter()
                .filter_map(|key| key.public.clone())
                .collect(),
        };
        let mut signing = None;
        let mut verifying = Vec::new();
        for Prepared {
            kid, sign, verify, ..
        } in prepared
        {
            signing.get_or_insert_with(|| {
                let mut header = Header::new(algorithm.jwa());
                header.kid = Some(kid.clone());
                (header, sign)
            });
            verifying.push((kid, verify));
        }
        let signing = signing.ok_or(AuthError::NoSigningKey)?;

        // Pins the algorithm: a token's own `alg` is compared with it and never followed.
        let mut validation = Validation::new(algorithm.jwa());
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
            public_keys,
            validation,
        })
    }

    /// What others verify tokens with, as a JWK Set (RFC 7517, 5): a public key per signing key
    /// under EdDSA, none under HS256, whose keys are secret.
    #[must_use]
    pub fn public_keys(&self) -> &impl Serialize {
        &self.public_keys
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

    /// Who a token speaks for, at `now`: the signature is of a known key under its algorithm, issuer and
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

/// A key, ready for use.
struct Prepared {
    kid: String,
    sign: EncodingKey,
    verify: DecodingKey,
    public: Option<Jwk>,
}

impl Prepared {
    fn of(key: SigningKey, algorithm: TokenAlgorithm) -> Result<Self, AuthError> {
        let SigningKey { kid, secret } = key;
        if secret.expose_secret().is_empty() {
            return Err(AuthError::EmptySecret { kid });
        }
        match algorithm {
            TokenAlgorithm::Hs256 => Ok(Self {
                kid,
                sign: EncodingKey::from_secret(secret.expose_secret().as_bytes()),
                verify: DecodingKey::from_secret(secret.expose_secret().as_bytes()),
                public: None,
            }),
            TokenAlgorithm::EdDsa => {
                let sign = ed25519(&secret)?;
                let mut public = public_key(&sign)?;
                public.common.key_id = Some(kid.clone());
                Ok(Self {
                    kid,
                    sign,
                    verify: DecodingKey::from_jwk(&public).map_err(AuthError::NotAnEd25519Key)?,
                    public: Some(public),
                })
            }
        }
    }
}

impl TokenAlgorithm {
    const fn jwa(self) -> Algorithm {
        match self {
            Self::Hs256 => Algorithm::HS256,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }
}

fn ed25519(pem: &SecretString) -> Result<EncodingKey, AuthError> {
    EncodingKey::from_ed_pem(pem.expose_secret().as_bytes()).map_err(AuthError::NotAnEd25519Key)
}

fn public_key(key: &EncodingKey) -> Result<Jwk, AuthError> {
    let mut public =
        Jwk::from_encoding_key(key, Algorithm::EdDSA).map_err(AuthError::NotAnEd25519Key)?;
    public.common.public_key_use = Some(PublicKeyUse::Signature);
    public.common.key_algorithm = Some(KeyAlgorithm::EdDSA);
    Ok(public)
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

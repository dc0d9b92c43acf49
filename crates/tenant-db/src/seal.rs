//! The seal: a server's signed request to the database to open one context, once.
//!
//! HMAC-SHA256 (RFC 2104) over `v1|kid|tenant|kind|actor|session|role|version|pid|iat|request|address`.
//! It holds for ten seconds, for one backend (unless its key is unbound), and only in the message that begins a transaction.

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::{Digest as _, Sha256};

use crate::context::Context;

/// The block size of SHA-256, to which HMAC pads its key.
const BLOCK: usize = 64;

/// A key under which contexts are sealed. The database keeps its padded form in
/// `tenancy.seal_key`; who holds it may speak for every tenant.
#[derive(Clone)]
pub struct SealKey {
    kid: String,
    secret: SecretSlice<u8>,
    bound: bool,
}

/// Why a key cannot seal.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealKeyError {
    /// The key's name is not 1 to 32 of `a-z 0-9`.
    #[error("a seal key's id is 1 to 32 lower-case letters and digits")]
    Kid,
    /// The key is shorter than 32 bytes.
    #[error("a seal key has at least 32 bytes")]
    TooShort,
}

impl SealKey {
    /// A key named `kid` (1 to 32 of `a-z 0-9`) with at least 32 secret bytes.
    ///
    /// # Errors
    /// When either is not so.
    pub fn new(kid: &str, secret: &[u8]) -> Result<Self, SealKeyError> {
        let named = (1..=32).contains(&kid.len())
            && kid
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !named {
            return Err(SealKeyError::Kid);
        }
        if secret.len() < 32 {
            return Err(SealKeyError::TooShort);
        }
        Ok(Self {
            kid: kid.to_owned(),
            secret: secret.to_vec().into(),
            bound: true,
        })
    }

    /// The same key, but [registered](crate::register_seal_key()) so that its seals hold on every
    /// backend: behind PgBouncer nobody knows on which one a transaction will run. What is lost by
    /// it: whoever came by a seal, and may begin transactions as the application's role, could
    /// use it on another connection until it is ten seconds old. SQL that is injected into a
    /// transaction can do neither.
    #[must_use]
    pub fn unbound(mut self) -> Self {
        self.bound = false;
        self
    }

    /// Whether a seal holds for one backend only.
    pub(crate) fn is_bound(&self) -> bool {
        self.bound
    }

    /// The key's name, which stands in every seal.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The inner and outer padded key blocks, as `tenancy.seal_key` keeps them.
    #[must_use]
    pub fn padded(&self) -> ([u8; BLOCK], [u8; BLOCK]) {
        let secret = self.secret.expose_secret();
        let digest;
        let key = if secret.len() > BLOCK {
            digest = Sha256::digest(secret);
            digest.as_ref()
        } else {
            secret
        };
        let (mut inner, mut outer) = ([0x36_u8; BLOCK], [0x5c_u8; BLOCK]);
        for ((inner, outer), byte) in inner.iter_mut().zip(&mut outer).zip(key) {
            *inner ^= byte;
            *outer ^= byte;
        }
        (inner, outer)
    }

    /// The seal of a context for the backend `pid`, issued at `issued_at` (Unix seconds).
    ///
    /// Public for tests of the refusals; [`TenantDb`](crate::TenantDb) seals by itself.
    #[must_use]
    pub fn seal(&self, context: &Context, pid: i32, issued_at: i64) -> String {
        let payload = format!("v1|{}|{}", self.kid, context.payload(pid, issued_at));
        let mac = Hmac::<Sha256>::new_from_slice(self.secret.expose_secret())
            .map(|mut mac| {
                mac.update(payload.as_bytes());
                mac.finalize().into_bytes()
            })
            // HMAC takes keys of every length; the empty mac would open nothing.
            .unwrap_or_default();
        let mut seal = payload;
        seal.push('|');
        for byte in mac {
            seal.push_str(&format!("{byte:02x}"));
        }
        seal
    }
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealKey")
            .field("kid", &self.kid)
            .field("secret", &"[redacted]")
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{Actor, Role};
    use uuid::Uuid;

    #[test]
    fn a_key_prints_without_its_secret() {
        let key = SealKey::new("k1", &[7; 32]).unwrap();
        assert_eq!(
            format!("{key:?}"),
            r#"SealKey { kid: "k1", secret: "[redacted]" }"#
        );
    }

    #[test]
    fn short_keys_and_odd_names_are_refused() {
        assert_eq!(
            SealKey::new("k1", &[7; 31]).unwrap_err(),
            SealKeyError::TooShort
        );
        assert_eq!(
            SealKey::new("K|1", &[7; 32]).unwrap_err(),
            SealKeyError::Kid
        );
        assert_eq!(SealKey::new("", &[7; 32]).unwrap_err(), SealKeyError::Kid);
    }

    #[test]
    fn a_seal_has_thirteen_parts_and_no_text_of_a_user_can_add_one() {
        let context = Context::new(
            Uuid::nil(),
            Actor::User {
                id: Uuid::nil(),
                session: Uuid::nil(),
            },
        )
        .with_role(Role::Admin, 3)
        .with_request_id("a|b'; DROP TABLE x--");
        let seal = SealKey::new("k1", &[7; 32])
            .unwrap()
            .seal(&context, 42, 1_700_000_000);
        let parts: Vec<_> = seal.split('|').collect();
        assert_eq!(parts.len(), 13);
        assert_eq!(parts[10], "abDROPTABLEx--");
        assert!(seal.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'|' | b'-' | b'_' | b'.' | b':')));
    }

    #[test]
    fn the_padded_blocks_are_those_of_rfc_2104() {
        let key = SealKey::new("k1", &[0x0b; 100]).unwrap();
        let (inner, outer) = key.padded();
        let digest = Sha256::digest([0x0b_u8; 100]);
        assert_eq!(inner[0], digest[0] ^ 0x36);
        assert_eq!(outer[31], digest[31] ^ 0x5c);
        assert_eq!((inner[32], outer[63]), (0x36, 0x5c));
    }
}

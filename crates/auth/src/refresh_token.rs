//! Refresh tokens: opaque, stored only as a hash; and which one follows which. When one may be
//! used is `rotation.rs`.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret, SecretBox};
use sha2::{Digest, Sha256};
use std::fmt;

use crate::InvalidRefreshToken;
use crate::keyed_hash::hmac;

/// Lets a leaked token be found by scanners, and told from an access token at sight.
const PREFIX: &str = "rt_";
const BYTES: usize = 32;
const KEY_LABEL: &[u8] = b"rowhouse refresh v1";
/// The counter behind a parent's bytes, as in HKDF-Expand (RFC 5869, 2.3): a parent has one child.
const ONLY_CHILD: &[u8] = &[1];

/// A refresh token in the clear: 256 bits, random or from a [`child`](Self::child). `Debug` prints
/// `[redacted]`; its memory is wiped when it is dropped.
pub struct RefreshToken(SecretBox<[u8; BYTES]>);

impl RefreshToken {
    /// A new one, from the operating system's seeded generator.
    #[must_use]
    pub fn generate() -> Self {
        Self(SecretBox::new(Box::new(rand::random())))
    }

    /// Reads what [`reveal`](Self::reveal) wrote: `rt_` and 43 characters of unpadded base64url
    /// (RFC 4648, 5), exactly.
    ///
    /// # Errors
    /// [`InvalidRefreshToken`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidRefreshToken> {
        let encoded = text.strip_prefix(PREFIX).ok_or(InvalidRefreshToken)?;
        let mut bytes = Box::new([0; BYTES]);
        // Refuses what decodes to more; less is caught by its length.
        let length = URL_SAFE_NO_PAD
            .decode_slice(encoded, bytes.as_mut_slice())
            .map_err(|_| InvalidRefreshToken)?;
        if length != BYTES {
            return Err(InvalidRefreshToken);
        }
        Ok(Self(SecretBox::new(bytes)))
    }

    /// The token's text, for the one answer that hands it out.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.0.expose_secret()))
    }

    /// What is stored and looked up. A plain SHA-256 of the 32 bytes: 256 random bits need no slow
    /// hash.
    #[must_use]
    pub fn hash(&self) -> RefreshTokenHash {
        RefreshTokenHash(Sha256::digest(self.0.expose_secret()).into())
    }

    /// The token that follows this one: `HMAC-SHA256(key, parent || 1)`. Always the same, so that
    /// it can be handed out twice without ever being stored.
    #[must_use]
    pub fn child(&self, key: &RefreshKey) -> Self {
        let mac = key.0.clone();
        let mac = mac.chain_update(self.0.expose_secret());
        let bytes = mac.chain_update(ONLY_CHILD).finalize().into_bytes();
        Self(SecretBox::new(Box::new(bytes.into())))
    }
}

/// The key by which a refresh token follows another. All servers of one installation share it;
/// changing it only means that a token presented twice during the change is refused.
#[derive(Clone)]
pub struct RefreshKey(Hmac<Sha256>);

impl RefreshKey {
    /// Derives the key, `HMAC-SHA256(secret, "rowhouse refresh v1")`, from a secret of at least 32
    /// random bytes, which may serve elsewhere too.
    #[must_use]
    pub fn derive(secret: &[u8]) -> Self {
        let key = hmac(secret).chain_update(KEY_LABEL).finalize();
        Self(hmac(&key.into_bytes()))
    }
}

impl fmt::Debug for RefreshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What is stored of a refresh token; nobody can refresh with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RefreshTokenHash([u8; BYTES]);

impl RefreshTokenHash {
    /// The hash, for a `bytea` column.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; BYTES] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_text() {
        let token = RefreshToken::generate();
        let text = token.reveal();
        assert_eq!(text.len(), 46);
        assert_eq!(RefreshToken::parse(&text).unwrap().hash(), token.hash());
    }

    #[test]
    fn no_two_are_alike() {
        assert_ne!(
            RefreshToken::generate().hash(),
            RefreshToken::generate().hash()
        );
    }

    #[test]
    fn the_hash_is_the_sha_256_of_the_bytes() {
        let token = RefreshToken::parse(&format!("rt_{}", "A".repeat(43))).unwrap();
        // `head -c 32 /dev/zero | sha256sum`
        let expected = "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925";
        let hash: String = token
            .hash()
            .as_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hash, expected);
    }

    #[test]
    fn a_child_is_the_mac_of_its_parent_under_the_derived_key() {
        let parent = RefreshToken::parse(&format!("rt_{}", "A".repeat(43))).unwrap();
        let child = parent.child(&RefreshKey::derive(b"secret"));
        // Python: base64.urlsafe_b64encode(hmac.digest(hmac.digest(b"secret",
        // b"rowhouse refresh v1", "sha256"), bytes(32) + b"\x01", "sha256"))
        let expected = "rt_7lP9KQSD0mY0zCByL6fFHL4fmsm8edgtPjH1ZwhSmtw";
        assert_eq!(child.reveal(), expected);
    }

    #[test]
    fn a_child_is_always_the_same_and_nobody_elses() {
        let (key, other) = (RefreshKey::derive(b"one"), RefreshKey::derive(b"two"));
        let parent = RefreshToken::generate();
        let child = parent.child(&key);
        assert_eq!(child.hash(), parent.child(&key).hash());
        for stranger in [
            parent.hash(),
            parent.child(&other).hash(),
            child.child(&key).hash(),
            RefreshToken::generate().child(&key).hash(),
        ] {
            assert_ne!(child.hash(), stranger);
        }
    }

    #[test]
    fn every_other_shape_is_refused() {
        let text = RefreshToken::generate().reveal();
        let body = text.strip_prefix("rt_").unwrap();
        for bad in [
            "".to_owned(),
            "rt_".to_owned(),
            body.to_owned(),
            format!("RT_{body}"),
            format!("{text}="),
            format!("{text}A"),
            format!(" {text}"),
            format!("{text}\n"),
            format!("rt_{}", "A".repeat(42)),
            format!("rt_{}B", "A".repeat(42)),
            format!("rt_{}+", "A".repeat(42)),
            format!("rt_{}", "A".repeat(1_000_000)),
        ] {
            assert!(RefreshToken::parse(&bad).is_err(), "{bad:.60}");
        }
    }

    #[test]
    fn debug_shows_no_token() {
        assert_eq!(format!("{:?}", RefreshToken::generate()), "[redacted]");
        assert_eq!(format!("{:?}", RefreshKey::derive(b"secret")), "[redacted]");
    }
}

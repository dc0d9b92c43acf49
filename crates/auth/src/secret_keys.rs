//! What is derived from the secret key, and how it is rotated: the first of the keys makes what is
//! new, every key accepts what it made.

use hmac::Mac as _;
use secrecy::{ExposeSecret, SecretString};

use crate::SigningKey;
use crate::keyed_hash::hmac;

const KID_LABEL: &[u8] = b"rowhouse kid v1";
const KID_BYTES: usize = 8;

/// The secret key, and those before it. `Debug` prints `[redacted]` for each.
#[derive(Clone, Debug)]
pub struct SecretKeys {
    current: SecretString,
    previous: Vec<SecretString>,
}

impl SecretKeys {
    /// `current` makes what is new. A key that stands twice counts once.
    #[must_use]
    pub fn new(current: SecretString, previous: Vec<SecretString>) -> Self {
        let mut keys = Self {
            current,
            previous: Vec::new(),
        };
        for key in previous {
            if keys
                .iter()
                .all(|known| known.expose_secret() != key.expose_secret())
            {
                keys.previous.push(key);
            }
        }
        keys
    }

    /// The key that makes what is new.
    #[must_use]
    pub fn current(&self) -> &SecretString {
        &self.current
    }

    /// Every key, the current one first.
    pub fn iter(&self) -> impl Iterator<Item = &SecretString> {
        std::iter::once(&self.current).chain(&self.previous)
    }

    /// The keys of access tokens under HS256.
    #[must_use]
    pub fn signing_keys(&self) -> Vec<SigningKey> {
        self.iter()
            .map(|secret| SigningKey {
                kid: key_id(secret),
                secret: secret.clone(),
            })
            .collect()
    }
}

/// The name of a secret key, which says nothing about it: the first 8 bytes, in hex, of
/// `HMAC-SHA256(secret, "rowhouse kid v1")`.
pub(crate) fn key_id(secret: &SecretString) -> String {
    let mac = derive(secret.expose_secret().as_bytes(), KID_LABEL);
    mac.iter()
        .take(KID_BYTES)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A key for one purpose: `HMAC-SHA256(secret, label)`.
pub(crate) fn derive(secret: &[u8], label: &[u8]) -> [u8; 32] {
    hmac(secret)
        .chain_update(label)
        .finalize()
        .into_bytes()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keys_name_is_its_own_and_says_nothing() {
        let keys = SecretKeys::new("one".into(), vec!["two".into(), "one".into(), "two".into()]);
        let kids: Vec<String> = keys.signing_keys().into_iter().map(|key| key.kid).collect();
        // Python: hmac.digest(b"one", b"rowhouse kid v1", "sha256").hex()[:16]
        assert_eq!(kids, ["cfc578e747fcd89d", "271b33c5b98adb18"]);
        assert!(!format!("{keys:?}").contains("one"));
    }
}

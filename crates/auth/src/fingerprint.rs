//! What tells one request from another without keeping either.

use hmac::Mac as _;
use secrecy::ExposeSecret as _;

use crate::SecretKeys;
use crate::keyed_hash::hmac;
use crate::secret_keys::derive;

const LABEL: &[u8] = b"rowhouse request fingerprint v1";

/// The keys of fingerprints: HMAC-SHA256 under what is derived from each secret key, so that
/// nobody who reads one can guess at what was sent, and the next secret key still knows what came
/// before it.
#[derive(Clone)]
pub struct FingerprintKey {
    current: [u8; 32],
    previous: Vec<[u8; 32]>,
}

/// The fingerprints of one request, one under each key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprints {
    /// The one to keep.
    pub current: [u8; 32],
    /// Those under which it may have been kept.
    pub previous: Vec<[u8; 32]>,
}

impl FingerprintKey {
    /// Derived from the secret keys.
    #[must_use]
    pub fn derive(secrets: &SecretKeys) -> Self {
        let of = |secret: &secrecy::SecretString| derive(secret.expose_secret().as_bytes(), LABEL);
        Self {
            current: of(secrets.current()),
            previous: secrets.iter().skip(1).map(of).collect(),
        }
    }

    /// Of all these parts in their order. Each goes in behind its length, so that no two requests
    /// read the same.
    #[must_use]
    pub fn of(&self, parts: &[&[u8]]) -> Fingerprints {
        let under = |key: &[u8; 32]| {
            let mut mac = hmac(key);
            for part in parts {
                mac.update(&part.len().to_be_bytes());
                mac.update(part);
            }
            mac.finalize().into_bytes().into()
        };
        Fingerprints {
            current: under(&self.current),
            previous: self.previous.iter().map(under).collect(),
        }
    }
}

impl std::fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FingerprintKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(current: &str, previous: &[&str]) -> FingerprintKey {
        let previous = previous.iter().map(|key| (*key).into()).collect();
        FingerprintKey::derive(&SecretKeys::new(current.into(), previous))
    }

    #[test]
    fn a_request_is_known_by_all_its_parts_and_by_the_next_key() {
        let one = key("one", &[]);
        let parts: [&[u8]; 3] = [b"POST", b"/a", b"{}"];
        let known = one.of(&parts);
        assert_eq!(known, one.of(&parts));
        let others: [&[&[u8]]; 4] = [
            &[b"POST", b"/a", b"{ }"],
            &[b"POST", b"/a{}", b""],
            &[b"POST", b"/a{}"],
            &[b"POST/a", b"{}"],
        ];
        for other in others {
            assert_ne!(known.current, one.of(other).current);
        }
        let two = key("two", &["one"]).of(&parts);
        assert_ne!(two.current, known.current);
        assert_eq!(two.previous, [known.current]);
    }

    #[test]
    fn the_key_is_not_printed() {
        let printed = format!("{:?}", key("one", &["two"]));
        assert_eq!(printed, "FingerprintKey([redacted])");
    }
}

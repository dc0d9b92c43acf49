//! API keys: what a program shows instead of an access token. Stored only as a prefix, by which a key
//! is found and recognised, and a hash.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretBox};
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

use crate::InvalidApiKey;

/// Tells a key from an access token at sight, for servers and for scanners of leaked secrets.
const MARK: &str = "rh_";
const PREFIX_BYTES: usize = 6;
const PREFIX_DIGITS: usize = 12;
const SECRET_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 4;
const TAIL_BYTES: usize = SECRET_BYTES + CHECKSUM_BYTES;

/// A key in the clear: `rh_`, 12 hexadecimal digits, `_`, 48 characters of base64url (RFC 4648, 5):
/// 256 random bits and a checksum, the first four bytes of SHA-256 over all that stands before.
/// `Debug` prints the prefix only; the secret's memory is wiped when it is dropped.
pub struct KeySecret {
    prefix: String,
    secret: SecretBox<[u8; SECRET_BYTES]>,
}

impl KeySecret {
    /// A new one, from the operating system's seeded generator.
    #[must_use]
    pub fn generate() -> Self {
        let prefix: [u8; PREFIX_BYTES] = rand::random();
        let digits: String = prefix.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            prefix: format!("{MARK}{digits}"),
            secret: SecretBox::new(Box::new(rand::random())),
        }
    }

    /// Whether a bearer token claims to be a key, well-formed or not.
    #[must_use]
    pub fn is_meant(token: &str) -> bool {
        token.starts_with(MARK)
    }

    /// Reads what [`reveal`](Self::reveal) wrote, exactly.
    ///
    /// # Errors
    /// [`InvalidApiKey`] for anything else; a wrong checksum too.
    pub fn parse(text: &str) -> Result<Self, InvalidApiKey> {
        let (prefix, tail) = text
            .split_at_checked(MARK.len() + PREFIX_DIGITS)
            .ok_or(InvalidApiKey)?;
        let digits = prefix.strip_prefix(MARK).ok_or(InvalidApiKey)?;
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let encoded = tail.strip_prefix('_').ok_or(InvalidApiKey)?;
        if !digits.bytes().all(is_hex) {
            return Err(InvalidApiKey);
        }
        let mut bytes = SecretBox::new(Box::new([0; TAIL_BYTES]));
        // Refuses what decodes to more; less is caught by its length.
        let length = URL_SAFE_NO_PAD
            .decode_slice(
                encoded,
                secrecy::ExposeSecretMut::expose_secret_mut(&mut bytes),
            )
            .map_err(|_| InvalidApiKey)?;
        let (secret, checksum) = bytes
            .expose_secret()
            .split_first_chunk::<SECRET_BYTES>()
            .ok_or(InvalidApiKey)?;
        let key = Self {
            prefix: prefix.to_owned(),
            secret: SecretBox::new(Box::new(*secret)),
        };
        if length == TAIL_BYTES && checksum == key.checksum() {
            Ok(key)
        } else {
            Err(InvalidApiKey)
        }
    }

    /// The key's text, for the one answer that hands it out.
    #[must_use]
    pub fn reveal(&self) -> String {
        let tail = [self.secret.expose_secret().as_slice(), &self.checksum()].concat();
        format!("{}_{}", self.prefix, URL_SAFE_NO_PAD.encode(tail))
    }

    /// `rh_` and 12 hexadecimal digits: no secret.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What is stored. A plain SHA-256 of the 32 bytes: 256 random bits need no slow hash.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(self.secret.expose_secret()).into())
    }

    fn checksum(&self) -> [u8; CHECKSUM_BYTES] {
        let digest = Sha256::new()
            .chain_update(&self.prefix)
            .chain_update(self.secret.expose_secret())
            .finalize();
        let mut checksum = [0; CHECKSUM_BYTES];
        for (place, byte) in checksum.iter_mut().zip(digest) {
            *place = byte;
        }
        checksum
    }
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySecret")
            .field("prefix", &self.prefix)
            .field("secret", &"[redacted]")
            .finish()
    }
}

/// What is stored of a key; nobody can come in with it. Compared in a time that does not depend on
/// where two of them differ.
#[derive(Clone, Copy, Debug)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash, for a `bytea` column.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether this is what a `bytea` column holds.
    #[must_use]
    pub fn matches(&self, stored: &[u8]) -> bool {
        self.0.ct_eq(stored).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_text() {
        let key = KeySecret::generate();
        let text = key.reveal();
        assert_eq!(text.len(), 64);
        assert!(KeySecret::is_meant(&text));
        assert_eq!(text.get(..15), Some(key.prefix()));
        let read = KeySecret::parse(&text).unwrap();
        assert_eq!(read.prefix(), key.prefix());
        assert!(read.hash().matches(key.hash().as_bytes()));
    }

    #[test]
    fn no_two_are_alike() {
        let (one, other) = (KeySecret::generate(), KeySecret::generate());
        assert_ne!(one.prefix(), other.prefix());
        assert!(!one.hash().matches(other.hash().as_bytes()));
        assert!(!one.hash().matches(&[]));
    }

    #[test]
    fn the_text_is_what_its_description_says() {
        let key = KeySecret {
            prefix: "rh_0123456789ab".to_owned(),
            secret: SecretBox::new(Box::new([0; SECRET_BYTES])),
        };
        // Python: base64.urlsafe_b64encode(bytes(32) + hashlib.sha256(b"rh_0123456789ab"
        // + bytes(32)).digest()[:4])
        assert_eq!(
            key.reveal(),
            "rh_0123456789ab_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABJfOQo"
        );
        let hash: String = key
            .hash()
            .as_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        // `head -c 32 /dev/zero | sha256sum`
        let expected = "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925";
        assert_eq!(hash, expected);
    }

    #[test]
    fn every_other_shape_is_refused() {
        let text = KeySecret::generate().reveal();
        let (mark, rest) = text.split_at(3);
        let (digits, tail) = rest.split_once('_').unwrap();
        let mut mistyped = text.clone();
        let last = if mistyped.ends_with('A') { 'B' } else { 'A' };
        mistyped.pop();
        mistyped.push(last);
        for bad in [
            String::new(),
            "rh_".to_owned(),
            mistyped,
            text.to_uppercase(),
            format!("{text}="),
            format!("{text}A"),
            format!(" {text}"),
            format!("{text}\n"),
            rest.to_owned(),
            format!("{mark}{digits}_{}", "A".repeat(47)),
            format!("rh_{}_{}", "g".repeat(12), "A".repeat(48)),
            format!("rh_{}_{}", "0".repeat(12), "A".repeat(48)),
            format!("{mark}{digits}-{tail}"),
            format!("rh_{}é", "0".repeat(11)),
            format!("rh_{}", "0".repeat(1_000_000)),
        ] {
            assert!(KeySecret::parse(&bad).is_err(), "{bad:.80}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = KeySecret::generate();
        let debug = format!("{key:?}");
        assert!(debug.contains("[redacted]"), "{debug}");
        let text = key.reveal();
        let (_, secret) = text.split_at(16);
        assert!(!debug.contains(secret), "{debug}");
    }
}

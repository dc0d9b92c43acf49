//! Whose signatures under checkpoints of the audit trail count, and how far: the key of today for
//! all, an earlier one up to the last that it signed.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::checkpoint_key::is_signed;

/// How long an Ed25519 public key is (RFC 8032, 5.1.5).
const LENGTH: usize = 32;

/// A public key whose signatures count. As text `KEY`, or `KEY:NUMBER` with the number of the last
/// checkpoint for which it counts: whoever has learnt the private key since signs nothing behind
/// that, nor changes what is before it, which the next key has signed along.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TrustedKey {
    bytes: Vec<u8>,
    last: Option<i64>,
}

/// Why a text is no [`TrustedKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a public key is 32 bytes in Base64, and may have a colon and the number of the last checkpoint behind it"
)]
pub struct NotATrustedKey;

impl TrustedKey {
    /// One that counts for every checkpoint.
    #[must_use]
    pub fn new(public_key: Vec<u8>) -> Self {
        Self {
            bytes: public_key,
            last: None,
        }
    }

    /// The key itself.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it counts for the checkpoint of this number.
    #[must_use]
    pub fn counts_for(&self, number: i64) -> bool {
        self.last.is_none_or(|last| number <= last)
    }

    /// Whether its holder has signed these bytes.
    #[must_use]
    pub fn has_signed(&self, statement: &[u8], signature: &[u8]) -> bool {
        is_signed(&self.bytes, statement, signature)
    }
}

impl FromStr for TrustedKey {
    type Err = NotATrustedKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, last) = match text.split_once(':') {
            Some((key, last)) => (key, Some(last)),
            None => (text, None),
        };
        let bytes = STANDARD.decode(key).map_err(|_| NotATrustedKey)?;
        let last: Option<i64> = last
            .map(str::parse)
            .transpose()
            .map_err(|_| NotATrustedKey)?;
        if bytes.len() != LENGTH || last.is_some_and(|last| last < 1) {
            return Err(NotATrustedKey);
        }
        Ok(Self { bytes, last })
    }
}

impl TryFrom<String> for TrustedKey {
    type Error = NotATrustedKey;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(&self.bytes))?;
        match self.last {
            Some(last) => write!(f, ":{last}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_how_far_it_counts_and_what_is_no_key_is_refused() {
        let key = STANDARD.encode([7; LENGTH]);
        let all: TrustedKey = key.parse().unwrap();
        assert_eq!(all, TrustedKey::new(vec![7; LENGTH]));
        assert!(all.counts_for(1) && all.counts_for(i64::MAX));
        let some: TrustedKey = format!("{key}:12").parse().unwrap();
        assert!(some.counts_for(12) && !some.counts_for(13));
        assert_eq!(some.bytes(), all.bytes());
        for text in [key.clone(), format!("{key}:12")] {
            assert_eq!(text.parse::<TrustedKey>().unwrap().to_string(), text);
        }
        let short = STANDARD.encode([7; LENGTH - 1]);
        for wrong in ["", "short", &short, "?"] {
            assert_eq!(wrong.parse::<TrustedKey>(), Err(NotATrustedKey), "{wrong}");
        }
        for wrong in ["", "0", "-1", "x", "1:2", "9223372036854775808"] {
            let wrong = format!("{key}:{wrong}");
            assert_eq!(wrong.parse::<TrustedKey>(), Err(NotATrustedKey), "{wrong}");
        }
    }
}

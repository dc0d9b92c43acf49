//! The second factor: one-time passwords by time (RFC 6238: SHA-1, 6 digits, 30 seconds, which is
//! what every authenticator app takes), and how their secret is kept. What stands in for them when
//! the phone is lost is `recovery_code.rs`; that a code is good once is the store's to see to.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use chrono::{DateTime, Utc};
use domain::AccountId;
use secrecy::{ExposeSecret, SecretBox};
use std::fmt;
use totp_rs::{Builder, Totp};

use crate::secret_keys::{derive, key_id};
use crate::{MfaError, SecretKeys};

const KEY_LABEL: &[u8] = b"rowhouse totp v1";
const ISSUER: &str = "Rowhouse";
/// RFC 4226, 4: 160 bits are recommended.
const SECRET_BYTES: usize = 20;
/// One step back and one ahead (RFC 6238, 5.2): a slow typist, a phone whose clock is off.
const SKEW_STEPS: u16 = 1;

/// What an authenticator app and the server share. `Debug` prints `[redacted]`; its memory is wiped
/// when it is dropped.
pub struct TotpSecret(SecretBox<[u8; SECRET_BYTES]>);

/// A TOTP secret as it is stored: AES-256-GCM, bound to its account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedTotp {
    /// Names the secret key that it is sealed under.
    pub kid: String,
    /// Nonce, ciphertext and tag.
    pub bytes: Vec<u8>,
}

/// Seals and opens TOTP secrets.
pub struct TotpKeys {
    /// The first seals.
    keys: Vec<(String, RandomizedNonceKey)>,
}

impl TotpSecret {
    /// A new one, from the operating system's seeded generator.
    #[must_use]
    pub fn generate() -> Self {
        Self(SecretBox::new(Box::new(rand::random())))
    }

    /// The secret for whoever types it in: Base32 (RFC 4648, 6) without padding.
    #[must_use]
    pub fn reveal(&self) -> String {
        totp_rs::Secret::new(Box::new(*self.0.expose_secret())).to_base32()
    }

    /// The secret for whoever scans it: `otpauth://totp/Rowhouse:<email>?secret=…&issuer=Rowhouse`.
    ///
    /// # Errors
    /// [`MfaError::Unusable`], which no address of ours brings about.
    pub fn url(&self, email: &str) -> Result<String, MfaError> {
        // A quoted local part may hold a colon, which is what separates issuer and name.
        self.totp(&email.replace(':', "_"))?
            .to_url()
            .map_err(MfaError::Unusable)
    }

    /// Which step of time this code is of, if it is one of the three around `now`.
    ///
    /// # Errors
    /// [`MfaError::Unusable`], which no secret of ours brings about.
    pub fn step_of(&self, code: &str, now: DateTime<Utc>) -> Result<Option<i64>, MfaError> {
        let Ok(now) = u64::try_from(now.timestamp()) else {
            return Ok(None);
        };
        let step = self.totp("account")?.check(code, now);
        Ok(step.and_then(|step| i64::try_from(step).ok()))
    }

    /// The code of a moment, as the app shows it.
    ///
    /// # Errors
    /// [`MfaError::Unusable`], which no secret of ours brings about.
    pub fn code_at(&self, moment: DateTime<Utc>) -> Result<String, MfaError> {
        let moment = u64::try_from(moment.timestamp()).unwrap_or_default();
        Ok(self.totp("account")?.generate(moment).to_string())
    }

    fn totp(&self, account_name: &str) -> Result<Totp, MfaError> {
        Builder::new()
            .with_secret(totp_rs::Secret::new(Box::new(*self.0.expose_secret())))
            .with_skew(SKEW_STEPS)
            .with_account_name(account_name)
            .with_issuer(Some(ISSUER))
            .build()
            .map_err(MfaError::Unusable)
    }
}

impl TotpKeys {
    /// Keys of their own, derived from the secret keys.
    ///
    /// # Errors
    /// [`MfaError::NotSealed`] when the cipher refuses a key, which it never does.
    pub fn derive(keys: &SecretKeys) -> Result<Self, MfaError> {
        let keys = keys.iter().map(|secret| {
            let key = derive(secret.expose_secret().as_bytes(), KEY_LABEL);
            let key =
                RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(|_| MfaError::NotSealed)?;
            Ok((key_id(secret), key))
        });
        Ok(Self {
            keys: keys.collect::<Result<_, MfaError>>()?,
        })
    }

    /// The name of the key that seals.
    #[must_use]
    pub fn current(&self) -> &str {
        self.keys.first().map_or("", |(kid, _)| kid)
    }

    /// The names of the keys that only open.
    #[must_use]
    pub fn previous(&self) -> Vec<&str> {
        self.keys
            .iter()
            .skip(1)
            .map(|(kid, _)| kid.as_str())
            .collect()
    }

    /// Seals a secret for this account alone.
    ///
    /// # Errors
    /// [`MfaError::NotSealed`].
    pub fn seal(&self, account: AccountId, secret: &TotpSecret) -> Result<SealedTotp, MfaError> {
        let (kid, key) = self.keys.first().ok_or(MfaError::NotSealed)?;
        let mut sealed = secret.0.expose_secret().to_vec();
        let nonce = key
            .seal_in_place_append_tag(Aad::from(account.uuid().as_bytes()), &mut sealed)
            .map_err(|_| MfaError::NotSealed)?;
        Ok(SealedTotp {
            kid: kid.clone(),
            bytes: [nonce.as_ref().as_slice(), &sealed].concat(),
        })
    }

    /// Opens what was sealed for this account.
    ///
    /// # Errors
    /// [`MfaError::NotOpened`] for another account's, a changed one, and one under a key that is
    /// not listed.
    pub fn open(&self, account: AccountId, sealed: &SealedTotp) -> Result<TotpSecret, MfaError> {
        let (_, key) = self
            .keys
            .iter()
            .find(|(kid, _)| *kid == sealed.kid)
            .ok_or(MfaError::NotOpened)?;
        let (nonce, text) = sealed
            .bytes
            .split_at_checked(NONCE_LEN)
            .ok_or(MfaError::NotOpened)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| MfaError::NotOpened)?;
        let mut text = text.to_vec();
        let secret = key
            .open_in_place(nonce, Aad::from(account.uuid().as_bytes()), &mut text)
            .map_err(|_| MfaError::NotOpened)?;
        let secret: [u8; SECRET_BYTES] = (&*secret).try_into().map_err(|_| MfaError::NotOpened)?;
        Ok(TotpSecret(SecretBox::new(Box::new(secret))))
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Debug for TotpKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn keys(current: &str, previous: &[&str]) -> TotpKeys {
        let previous = previous.iter().map(|key| (*key).into()).collect();
        TotpKeys::derive(&SecretKeys::new(current.into(), previous)).unwrap()
    }

    #[test]
    fn the_codes_are_those_of_the_rfc() {
        // RFC 6238, appendix B, the last six of the eight digits.
        let secret = TotpSecret(SecretBox::new(Box::new(*b"12345678901234567890")));
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
        ] {
            assert_eq!(secret.code_at(at(seconds)).unwrap(), code);
            let step = secret.step_of(code, at(seconds)).unwrap();
            assert_eq!(step, Some(seconds / 30));
        }
    }

    #[test]
    fn a_code_is_taken_one_step_around_its_time_and_no_further() {
        let secret = TotpSecret::generate();
        let moment = at(1_800_000_000);
        let code = secret.code_at(moment).unwrap();
        let step = |seconds: i64| secret.step_of(&code, at(1_800_000_000 + seconds)).unwrap();
        for seconds in [-30, -1, 0, 29, 30, 59] {
            assert_eq!(step(seconds), Some(60_000_000), "{seconds}");
        }
        for seconds in [-31, 60, 3600, -1_800_000_001] {
            assert_eq!(step(seconds), None, "{seconds}");
        }
        for wrong in ["", "12345", "1234567", "abcdef", "+12345", "12 456", "١٢٣"] {
            assert_eq!(secret.step_of(wrong, moment).unwrap(), None, "{wrong}");
        }
    }

    #[test]
    fn the_url_is_what_apps_scan() {
        let secret = TotpSecret::generate();
        let base32 = secret.reveal();
        assert_eq!(base32.len(), 32);
        assert_eq!(
            secret.url("alice@acme.example").unwrap(),
            format!("otpauth://totp/Rowhouse:alice%40acme.example?secret={base32}&issuer=Rowhouse")
        );
        assert!(secret.url("a:b@acme.example").is_ok());
    }

    #[test]
    fn what_is_sealed_opens_for_its_account_alone() {
        let (keys, secret) = (keys("one", &[]), TotpSecret::generate());
        let (alice, bob) = (AccountId::generate(), AccountId::generate());
        let sealed = keys.seal(alice, &secret).unwrap();
        assert_eq!(keys.open(alice, &sealed).unwrap().reveal(), secret.reveal());
        assert!(keys.open(bob, &sealed).is_err());
        assert_ne!(keys.seal(alice, &secret).unwrap(), sealed);
        let clear = secret.0.expose_secret().as_slice();
        assert!(
            !sealed
                .bytes
                .windows(clear.len())
                .any(|bytes| bytes == clear)
        );
        for position in 0..sealed.bytes.len() {
            let mut changed = sealed.clone();
            changed.bytes[position] ^= 1;
            assert!(keys.open(alice, &changed).is_err(), "{position}");
        }
        for length in 0..sealed.bytes.len() {
            let mut short = sealed.clone();
            short.bytes.truncate(length);
            assert!(keys.open(alice, &short).is_err(), "{length}");
        }
    }

    #[test]
    fn a_previous_key_opens_and_the_current_one_seals() {
        let (alice, secret) = (AccountId::generate(), TotpSecret::generate());
        let old = keys("old", &[]).seal(alice, &secret).unwrap();
        let both = keys("new", &["old"]);
        assert_eq!(both.open(alice, &old).unwrap().reveal(), secret.reveal());
        let new = both.seal(alice, &secret).unwrap();
        assert_eq!(new.kid, both.current());
        assert_ne!(new.kid, old.kid);
        let later = keys("new", &[]);
        assert!(later.open(alice, &new).is_ok());
        assert!(later.open(alice, &old).is_err());
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?} {:?}", TotpSecret::generate(), keys("one", &[]));
        assert_eq!(shown, "[redacted] [redacted]");
    }
}

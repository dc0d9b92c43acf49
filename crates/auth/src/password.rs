//! Passwords, and the form in which they are stored. The hashing itself is in
//! `password_threads.rs`.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use std::fmt;
use unicode_normalization::UnicodeNormalization;
use zxcvbn::{Score, zxcvbn};

use crate::PasswordError;

/// NIST SP 800-63B, 5.1.1.2.
const MIN_CHARACTERS: usize = 8;
/// bcrypt takes 72 bytes and ends the text by a NUL; what lies beyond would be cut off.
pub(crate) const MAX_BYTES: usize = 71;
/// What takes fewer than a million guesses does not outlast a patient stranger, whatever the limit
/// of attempts. zxcvbn's scale: Wheeler, "zxcvbn: Low-Budget Password Strength Estimation", 2016.
const MIN_SCORE: Score = Score::Two;
/// An estimate takes time that grows fast with the length: a long password is looked at in pieces.
const PIECE_CHARACTERS: usize = 20;

/// A password in the clear, on its way to be hashed or compared. `Debug` prints `[redacted]`; its
/// memory is wiped when it is dropped.
///
/// NFC-normalised (as RFC 8265, `OpaqueString`), so that two keyboards that compose an é
/// differently type the same password. Deserialises as [`presented`](Self::presented).
#[derive(Clone)]
pub struct Password(SecretString);

impl Password {
    /// A new password: 8 characters at least, 71 bytes at most, no NUL, and none that is guessed
    /// early. Takes less than a millisecond, for an odd password some 20.
    ///
    /// # Errors
    /// The first rule broken, as [`PasswordError`].
    pub fn parse_new(text: &str) -> Result<Self, PasswordError> {
        let password = Self::normalised(text);
        let text = password.0.expose_secret();
        if text.contains('\0') {
            return Err(PasswordError::Nul);
        }
        if text.chars().count() < MIN_CHARACTERS {
            return Err(PasswordError::TooShort {
                min: MIN_CHARACTERS,
            });
        }
        if text.len() > MAX_BYTES {
            return Err(PasswordError::TooLong {
                max_bytes: MAX_BYTES,
            });
        }
        if is_common(text) {
            return Err(PasswordError::TooCommon);
        }
        Ok(password)
    }

    /// A password as somebody presents it to sign in: anything goes. One that could not have been
    /// set simply never matches.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the caller shall keep no copy"
    )]
    pub fn presented(text: String) -> Self {
        Self::normalised(&text)
    }

    fn normalised(text: &str) -> Self {
        Self(text.nfc().collect::<String>().into())
    }

    /// The text, if bcrypt can tell it from every other: not cut off, and without a NUL, behind
    /// which bcrypt's cyclic key would repeat (`a` and `a\0a` hash alike).
    pub(crate) fn comparable(&self) -> Option<&str> {
        let text = self.0.expose_secret();
        (text.len() <= MAX_BYTES && !text.contains('\0')).then_some(text)
    }
}

/// Whether no piece of it is hard to guess.
fn is_common(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(PIECE_CHARACTERS).all(|piece| {
        let piece: String = piece.iter().collect();
        zxcvbn(&piece, &[]).score() < MIN_SCORE
    })
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::presented)
    }
}

/// A bcrypt hash in its modular crypt format (`$2b$12$…`, 60 characters), to be stored. `Debug`
/// prints `[redacted]`.
#[derive(Clone)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// A hash read back from where it was stored, taken at its word.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The hash's text, for storing it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_password_has_eight_characters_and_at_most_71_bytes() {
        let refusal = |text: &str| Password::parse_new(text).unwrap_err();
        assert_eq!(refusal(""), PasswordError::TooShort { min: 8 });
        assert_eq!(refusal("1234567"), PasswordError::TooShort { min: 8 });
        assert_eq!(refusal("äöüäöü1"), PasswordError::TooShort { min: 8 });
        assert_eq!(
            refusal(&"x".repeat(72)),
            PasswordError::TooLong { max_bytes: 71 }
        );
        assert_eq!(
            refusal(&"é".repeat(36)),
            PasswordError::TooLong { max_bytes: 71 }
        );
        assert_eq!(refusal("pass\0word"), PasswordError::Nul);
        let longest = format!("{}xxxxx", "Übergrößenträger: ".repeat(3));
        assert_eq!(longest.len(), 71);
        for text in ["vlqzmrkw", "with blanks in it", &longest] {
            assert!(Password::parse_new(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_everybody_tries_first_is_refused() {
        for text in [
            "12345678",
            "password",
            "Password1!",
            "qwertyuiop",
            "letmein123",
            "P@ssw0rd",
            "aaaaaaaa",
            &"x".repeat(71),
            "passwordpassword",
        ] {
            let refusal = Password::parse_new(text).unwrap_err();
            assert_eq!(refusal, PasswordError::TooCommon, "{text}");
        }
        for text in [
            "securepass123",
            "demo-rowhouse-2026",
            "correct horse",
            // The weak pieces do not weaken the strong one.
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa correct horse",
        ] {
            assert!(Password::parse_new(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn anything_may_be_presented_but_only_what_could_be_set_is_comparable() {
        let comparable = |text: &str| Password::presented(text.to_owned()).comparable().is_some();
        assert!(comparable("") && comparable("short") && comparable(&"x".repeat(71)));
        assert!(!comparable(&"x".repeat(72)));
        assert!(!comparable("password\0password"));
    }

    #[test]
    fn composition_does_not_make_another_password() {
        let composed = Password::parse_new("caf\u{e9} noir").unwrap();
        let decomposed = Password::presented("cafe\u{301} noir".to_owned());
        assert_eq!(composed.comparable(), decomposed.comparable());
    }

    #[test]
    fn debug_shows_neither_password_nor_hash() {
        let password: Password = serde_json::from_str("\"hunter2hunter2\"").unwrap();
        let hash = PasswordHash::from_stored("$2b$04$abc".to_owned());
        assert_eq!(format!("{password:?} {hash:?}"), "[redacted] [redacted]");
    }
}

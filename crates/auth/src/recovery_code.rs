//! Recovery codes: what stands in for a one-time password when the phone is lost. Each is good
//! once, and stored as a hash only.

use secrecy::{ExposeSecret, SecretBox};
use sha2::{Digest, Sha256};
use std::fmt;

const BYTES: usize = 10;
const GROUP: usize = 4;
/// Crockford's alphabet, in which nothing is taken for something else.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// How many an account gets.
pub const RECOVERY_CODES: usize = 10;

/// 80 random bits, written as `xxxx-xxxx-xxxx-xxxx`. `Debug` prints `[redacted]`.
pub struct RecoveryCode(SecretBox<[u8; BYTES]>);

impl RecoveryCode {
    /// A new one, from the operating system's seeded generator.
    #[must_use]
    pub fn generate() -> Self {
        Self(SecretBox::new(Box::new(rand::random())))
    }

    /// Reads what [`reveal`](Self::reveal) wrote, in any case, with or without hyphens and blanks.
    /// `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // 80 bits, 5 a letter, from the left.
        let mut number: u128 = 0;
        let mut letters: usize = 0;
        for letter in text.bytes().filter(|b| !matches!(b, b'-' | b' ')) {
            let letter = letter.to_ascii_lowercase();
            let value = ALPHABET.iter().position(|known| *known == letter)?;
            letters = letters.checked_add(1).filter(|count| *count <= 16)?;
            number = (number << 5) | u128::try_from(value).ok()?;
        }
        let [_, _, _, _, _, _, bytes @ ..] = number.to_be_bytes();
        (letters == 16).then(|| Self(SecretBox::new(Box::new(bytes))))
    }

    /// The code's text, for the one answer that shows it.
    #[must_use]
    pub fn reveal(&self) -> String {
        let number = self
            .0
            .expose_secret()
            .iter()
            .fold(0_u128, |number, byte| (number << 8) | u128::from(*byte));
        let letters: Vec<char> = (0..16_u32)
            .rev()
            .filter_map(|place| usize::try_from((number >> (place * 5)) & 31).ok())
            .filter_map(|value| ALPHABET.get(value))
            .map(|letter| char::from(*letter))
            .collect();
        let groups: Vec<String> = letters
            .chunks(GROUP)
            .map(|group| group.iter().collect())
            .collect();
        groups.join("-")
    }

    /// What is stored and looked up. A plain SHA-256: 80 random bits need no slow hash.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.expose_secret()).into()
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_survives_its_text_however_it_is_typed() {
        for _ in 0..100 {
            let code = RecoveryCode::generate();
            let text = code.reveal();
            assert_eq!(text.len(), 19, "{text}");
            for typed in [
                text.clone(),
                text.to_uppercase(),
                text.replace('-', ""),
                text.replace('-', " "),
            ] {
                assert_eq!(RecoveryCode::parse(&typed).unwrap().hash(), code.hash());
            }
        }
    }

    #[test]
    fn anything_else_is_no_code() {
        let text = RecoveryCode::generate().reveal();
        for bad in [
            "",
            "123456",
            text.split_at(1).1,
            &format!("{text}0"),
            &text.replace('-', "_"),
            "uuuu-uuuu-uuuu-uuuu",
            "éééé-éééé",
            &"0".repeat(1_000_000),
        ] {
            assert!(RecoveryCode::parse(bad).is_none(), "{bad:.40}");
        }
    }

    #[test]
    fn debug_shows_no_code() {
        assert_eq!(format!("{:?}", RecoveryCode::generate()), "[redacted]");
    }
}

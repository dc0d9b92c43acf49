//! An e-mail address in the one form in which it is stored and compared. Whether mail arrives there
//! is not known here.

use serde::{Deserialize, Serialize};
use std::fmt;
use unicode_normalization::UnicodeNormalization;

use crate::text::is_invisible;

/// The longest address that SMTP can carry (RFC 5321, erratum 1690).
const MAX_BYTES: usize = 254;
/// The longest part before the `@` (RFC 5321, 4.5.3.1.1).
const MAX_LOCAL_BYTES: usize = 64;
/// The longest label of a domain (RFC 1035, 2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// A well-formed address: NFC, wholly in lower case, at most 254 bytes. Two spellings that differ
/// only in case are the same address (stricter than RFC 5321, which leaves the local part's case to
/// the receiver; no receiver of note makes use of it).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Email(String);

/// Why a text is not an e-mail address. The text itself is never repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// Nothing there.
    #[error("must not be empty")]
    Empty,
    /// More than 254 bytes.
    #[error("must have at most 254 bytes")]
    TooLong,
    /// A blank (leading and trailing ones too), a control character or an invisible one.
    #[error("must not contain blanks, control characters or invisible characters")]
    Character,
    /// Not exactly one `@`.
    #[error("must contain exactly one @")]
    AtSign,
    /// What stands before the `@`.
    #[error(
        "the part before the @ must have 1 to 64 bytes of letters, digits, dots and !#$%&'*+-/=?^_`{{|}}~, no dot first, last or doubled"
    )]
    LocalPart,
    /// What stands behind the `@`.
    #[error(
        "the part behind the @ must be a domain such as company.example; an international one in its ASCII form (xn--…)"
    )]
    Domain,
}

impl Email {
    /// Normalises to NFC and lower case, then checks: one `@`; a local part that is an RFC 5321
    /// dot-string (RFC 6531: also beyond ASCII; quoted strings are refused, which also keeps an
    /// address harmless in a mail header); a domain of at least two labels of ASCII letters, digits
    /// and inner hyphens. Trims nothing.
    ///
    /// # Errors
    /// The first rule broken, as [`EmailError`].
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        if text.is_empty() {
            return Err(EmailError::Empty);
        }
        // Composition shrinks a text to no less than a third: a longer one need not be normalised.
        if text.len() > 4 * MAX_BYTES {
            return Err(EmailError::TooLong);
        }
        if text
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || is_invisible(c))
        {
            return Err(EmailError::Character);
        }
        // Lower-casing may decompose (U+0130), hence NFC behind it; capitals that only
        // composition makes do not exist behind the first.
        let address: String = text
            .nfc()
            .collect::<String>()
            .to_lowercase()
            .nfc()
            .collect();
        if address.len() > MAX_BYTES {
            return Err(EmailError::TooLong);
        }
        let (local, domain) = address.split_once('@').ok_or(EmailError::AtSign)?;
        if domain.contains('@') {
            return Err(EmailError::AtSign);
        }
        if local.len() > MAX_LOCAL_BYTES || !local.split('.').all(is_atom) {
            return Err(EmailError::LocalPart);
        }
        if !domain.contains('.') || !domain.split('.').all(is_label) {
            return Err(EmailError::Domain);
        }
        Ok(Self(address))
    }

    /// An address that is nobody's, another one each time: below `.invalid` nothing is ever
    /// registered (RFC 2606, 2). Reads the system's clock and randomness.
    #[must_use]
    pub fn of_nobody() -> Self {
        Self(format!("{}@nobody.invalid", uuid::Uuid::now_v7()))
    }

    /// The whole address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the last `@`.
    #[must_use]
    pub(crate) fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or(&self.0, |(local, _)| local)
    }

    /// What stands behind the `@`, for a tenant's sign-up by domain.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, domain)| domain)
    }
}

/// `atom` of RFC 5321, opened to UTF-8 by RFC 6531.
fn is_atom(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| {
            !c.is_ascii() || c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
        })
}

fn is_label(text: &str) -> bool {
    (1..=MAX_LABEL_BYTES).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

impl TryFrom<String> for Email {
    type Error = EmailError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl std::str::FromStr for Email {
    type Err = EmailError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_composition_do_not_make_a_new_address() {
        let email = Email::parse("JOSE\u{301}@Company.Example").unwrap();
        assert_eq!(email.as_str(), "jos\u{e9}@company.example");
        assert_eq!(email, Email::parse("jos\u{e9}@company.example").unwrap());
        assert_eq!(email.domain(), "company.example");
    }

    #[test]
    fn a_parsed_address_parses_to_itself() {
        for text in [
            "a@b.co",
            "\u{130}x@b.example",
            "o'neil+tag@mail.b-c.example",
            "ΣΑΣ@b.example",
        ] {
            let once = Email::parse(text).unwrap();
            assert_eq!(Email::parse(once.as_str()).unwrap(), once, "{text}");
        }
    }

    #[test]
    fn each_broken_rule_is_named() {
        let long_local = format!("{}@b.example", "a".repeat(65));
        let long = format!("a@{}.example", ["b".repeat(60).as_str(); 5].join("."));
        let huge = "a".repeat(1_000_000);
        for (text, error) in [
            ("", EmailError::Empty),
            (" a@b.example", EmailError::Character),
            ("a@b.example ", EmailError::Character),
            ("a@b.example\n", EmailError::Character),
            ("a\0@b.example", EmailError::Character),
            ("a\u{200b}@b.example", EmailError::Character),
            ("a\u{202e}@b.example", EmailError::Character),
            ("plain", EmailError::AtSign),
            ("a@b@c.example", EmailError::AtSign),
            ("@b.example", EmailError::LocalPart),
            (".a@b.example", EmailError::LocalPart),
            ("a..b@b.example", EmailError::LocalPart),
            ("a,b@b.example", EmailError::LocalPart),
            ("\"a\"@b.example", EmailError::LocalPart),
            ("<a@b.example", EmailError::LocalPart),
            (&long_local, EmailError::LocalPart),
            ("a@localhost", EmailError::Domain),
            ("a@b.", EmailError::Domain),
            ("a@.example", EmailError::Domain),
            ("a@-b.example", EmailError::Domain),
            ("a@b_c.example", EmailError::Domain),
            ("a@[127.0.0.1]", EmailError::Domain),
            (&long, EmailError::TooLong),
            (&huge, EmailError::TooLong),
        ] {
            assert_eq!(Email::parse(text), Err(error), "{text:.40}");
        }
    }

    #[test]
    fn the_longest_allowed_address_is_allowed() {
        let domain = format!("{0}.{0}.{1}", "b".repeat(63), "c".repeat(61));
        let text = format!("{}@{domain}", "a".repeat(64));
        assert_eq!(text.len(), 254);
        assert!(Email::parse(&text).is_ok());
        assert_eq!(Email::parse(&format!("{text}c")), Err(EmailError::TooLong));
    }

    #[test]
    fn json_passes_through_the_same_parse() {
        let email: Email = serde_json::from_str("\"A@B.example\"").unwrap();
        assert_eq!(serde_json::to_string(&email).unwrap(), "\"a@b.example\"");
        let error = serde_json::from_str::<Email>("\"secret words\"").unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }
}

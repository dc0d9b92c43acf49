//! Text that people type: names and descriptions, trimmed, normalised, bounded, without control
//! characters. What is a slug or an address has its own file.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// Why a text was refused. The text itself is never repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing visible is left.
    #[error("must not be empty")]
    Empty,
    /// More characters (Unicode scalar values, after NFC) than `max`.
    #[error("must have at most {max} characters")]
    TooLong {
        /// The most characters allowed.
        max: usize,
    },
    /// A control character; NUL among them, which PostgreSQL cannot store.
    #[error("must not contain control characters")]
    ControlCharacter,
}

/// Draws nothing and may reorder what others draw: zero-width characters, soft hyphen,
/// directional marks and overrides, byte order mark.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
    )
}

/// Trims, normalises to NFC and bounds. `forbidden` is a parameter because line ends are control
/// characters too.
fn checked(text: &str, max: usize, forbidden: fn(char) -> bool) -> Result<String, TextError> {
    let text: String = text.trim().nfc().collect();
    if text.chars().any(forbidden) {
        return Err(TextError::ControlCharacter);
    }
    if text.chars().count() > max {
        return Err(TextError::TooLong { max });
    }
    Ok(text)
}

fn checked_line(text: &str, max: usize) -> Result<String, TextError> {
    let text = checked(text, max, char::is_control)?;
    if text.chars().all(|c| c.is_whitespace() || is_invisible(c)) {
        return Err(TextError::Empty);
    }
    Ok(text)
}

fn checked_paragraphs(text: &str, max: usize) -> Result<String, TextError> {
    checked(text, max, |c| {
        c.is_control() && !matches!(c, '\n' | '\r' | '\t')
    })
}

/// Any part of a line, blanks around it included.
fn checked_part(text: &str, max: usize) -> Result<String, TextError> {
    let text: String = text.nfc().collect();
    if text.chars().any(char::is_control) {
        return Err(TextError::ControlCharacter);
    }
    if text.chars().count() > max {
        return Err(TextError::TooLong { max });
    }
    Ok(text)
}

macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:ident, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The most characters (Unicode scalar values, after NFC).
            pub const MAX: usize = $max;

            /// Normalises to NFC, then checks. White space around a whole text is trimmed.
            ///
            /// # Errors
            /// The first rule broken, as [`TextError`].
            pub fn parse(text: &str) -> Result<Self, TextError> {
                $check(text, Self::MAX).map(Self)
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = TextError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

checked_text! {
    /// A person's name as that person writes it: one line of 1 to 200 characters. Never split into
    /// first and last.
    FullName, checked_line, 200
}
checked_text! {
    /// A company's name: one line of 1 to 200 characters. Need not be unique, the slug is.
    TenantName, checked_line, 200
}
checked_text! {
    /// A project's name: one line of 1 to 200 characters. Need not be unique.
    ProjectName, checked_line, 200
}
checked_text! {
    /// What a key is for: one line of 1 to 100 characters. Need not be unique.
    ApiKeyName, checked_line, 100
}
checked_text! {
    /// A resource's name: one line of 1 to 200 characters. Need not be unique.
    ResourceName, checked_line, 200
}
checked_text! {
    /// What kind of thing a resource is, in its tenant's own words: one line of 1 to 50 characters.
    ResourceType, checked_line, 50
}
checked_text! {
    /// How a name begins that is looked for: 0 to 200 characters of one line, taken as they are.
    NamePrefix, checked_part, 200
}
checked_text! {
    /// A longer text of 0 to 10,000 characters; line ends and tabs are kept as they came.
    Description, checked_paragraphs, 10_000
}

impl FullName {
    /// What a person is called of whom only the address is known: all that stands before its @.
    #[must_use]
    pub fn of_address(email: &crate::Email) -> Self {
        Self(email.local_part().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_composed() {
        let name = FullName::parse(" \tJose\u{301} Ortega\u{a0}\n").unwrap();
        assert_eq!(name.as_str(), "Jos\u{e9} Ortega");
    }

    #[test]
    fn a_name_of_nothing_visible_is_empty() {
        for text in [
            "",
            "  ",
            "\n\t",
            "\u{3000}",
            "\u{200b}",
            "\u{2060} \u{feff}",
        ] {
            assert_eq!(ProjectName::parse(text), Err(TextError::Empty), "{text:?}");
        }
    }

    #[test]
    fn length_counts_characters_after_composition() {
        assert!(TenantName::parse(&"e\u{301}".repeat(200)).is_ok());
        assert!(TenantName::parse(&"🐴".repeat(200)).is_ok());
        assert_eq!(
            TenantName::parse(&"x".repeat(201)),
            Err(TextError::TooLong { max: 200 })
        );
        assert!(Description::parse(&"x".repeat(10_000)).is_ok());
        assert_eq!(
            Description::parse(&"x".repeat(10_001)),
            Err(TextError::TooLong { max: 10_000 })
        );
    }

    #[test]
    fn control_characters_are_refused() {
        for text in ["a\0b", "a\nb", "a\u{7f}b", "a\u{85}b", "a\u{1b}[31mb"] {
            assert_eq!(
                ProjectName::parse(text),
                Err(TextError::ControlCharacter),
                "{text:?}"
            );
        }
        assert_eq!(Description::parse("a\0b"), Err(TextError::ControlCharacter));
    }

    #[test]
    fn a_description_keeps_its_lines_and_may_be_empty() {
        let text = "one\r\n\ttwo\nthree";
        assert_eq!(Description::parse(text).unwrap().as_str(), text);
        assert_eq!(Description::parse("").unwrap().as_str(), "");
    }

    #[test]
    fn the_beginning_of_a_name_keeps_its_blanks_and_may_be_empty() {
        assert_eq!(NamePrefix::parse(" A ").unwrap().as_str(), " A ");
        assert_eq!(NamePrefix::parse("").unwrap().as_str(), "");
        assert_eq!(NamePrefix::parse("e\u{301}").unwrap().as_str(), "\u{e9}");
        assert_eq!(NamePrefix::parse("a\n"), Err(TextError::ControlCharacter));
        assert!(NamePrefix::parse(&"x".repeat(201)).is_err());
    }

    #[test]
    fn json_passes_through_the_same_parse() {
        let name: ProjectName = serde_json::from_str("\" Park \"").unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"Park\"");
        assert!(serde_json::from_str::<ProjectName>("\" \"").is_err());
    }
}

//! A tenant's name in URLs, headers and host names.

use serde::{Deserialize, Serialize};
use std::fmt;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

const MIN: usize = 3;
/// A slug is one label of a host name (RFC 1035, 2.3.4).
const MAX: usize = 63;

/// Host names and path heads that are ours, or that a visitor would take for ours.
const RESERVED: &[&str] = &[
    "account",
    "accounts",
    "admin",
    "administrator",
    "api",
    "app",
    "assets",
    "auth",
    "billing",
    "cdn",
    "docs",
    "ftp",
    "health",
    "help",
    "imap",
    "internal",
    "invitations",
    "localhost",
    "login",
    "logout",
    "mail",
    "metrics",
    "openapi",
    "operator",
    "platform",
    "pop",
    "postmaster",
    "projects",
    "register",
    "resources",
    "root",
    "rowhouse",
    "security",
    "signup",
    "smtp",
    "static",
    "status",
    "support",
    "system",
    "tenancy",
    "tenant",
    "tenants",
    "users",
    "webmaster",
    "www",
];

/// 3 to 63 of `a-z`, `0-9` and `-`, beginning and ending with a letter or digit. Never a reserved
/// word, never something that reads as an id or as an encoded international name (`xn--`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct TenantSlug(String);

/// Why a text is not a slug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlugError {
    /// Fewer than 3 or more than 63 characters.
    #[error("must have 3 to 63 characters")]
    Length,
    /// Something else than `a-z`, `0-9` and `-`.
    #[error("may only contain a-z, 0-9 and -")]
    Character,
    /// A hyphen at either end.
    #[error("must begin and end with a letter or a digit")]
    Hyphen,
    /// Taken by the system, or could be mistaken for an id.
    #[error("is reserved")]
    Reserved,
}

impl TenantSlug {
    /// Checks; changes nothing (capitals are refused, not lowered).
    ///
    /// # Errors
    /// The first rule broken, as [`SlugError`].
    pub fn parse(text: &str) -> Result<Self, SlugError> {
        if !(MIN..=MAX).contains(&text.chars().count()) {
            return Err(SlugError::Length);
        }
        if !text
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        {
            return Err(SlugError::Character);
        }
        if text.starts_with('-') || text.ends_with('-') {
            return Err(SlugError::Hyphen);
        }
        if RESERVED.contains(&text)
            || text.starts_with("xn--")
            || uuid::Uuid::try_parse(text).is_ok()
        {
            return Err(SlugError::Reserved);
        }
        Ok(Self(text.to_owned()))
    }

    /// The slug that a company's name suggests: accents dropped, apostrophes too, everything else
    /// that is no letter or digit a single hyphen, cut at 63. `None` where nothing valid remains
    /// (a name in another script, too short, reserved): then the caller asks for one. Whether it is
    /// free is the database's answer.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let mut slug = String::new();
        for c in name
            .to_lowercase()
            .nfkd()
            .filter(|&c| !is_combining_mark(c))
        {
            match c {
                'a'..='z' | '0'..='9' => slug.push(c),
                'ß' => slug.push_str("ss"),
                'æ' => slug.push_str("ae"),
                'œ' => slug.push_str("oe"),
                'ø' => slug.push('o'),
                'ł' => slug.push('l'),
                '\'' | '’' => {}
                _ if slug.is_empty() || slug.ends_with('-') => {}
                _ => slug.push('-'),
            }
            if slug.len() >= MAX {
                break;
            }
        }
        slug.truncate(MAX);
        Self::parse(slug.trim_end_matches('-')).ok()
    }

    /// This slug with a hyphen and four random letters or digits behind it, for where it is taken.
    #[must_use]
    pub fn with_random_end(&self) -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let end = id.get(..4).unwrap_or(&id);
        let room = MAX.saturating_sub(end.len().saturating_add(1));
        let head = self.0.get(..room).unwrap_or(&self.0);
        Self(format!("{}-{end}", head.trim_end_matches('-')))
    }

    /// The slug's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TenantSlug {
    type Error = SlugError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl std::str::FromStr for TenantSlug {
    type Err = SlugError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for TenantSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_broken_rule_is_named() {
        let long = "a".repeat(64);
        for (text, error) in [
            ("", SlugError::Length),
            ("ab", SlugError::Length),
            (long.as_str(), SlugError::Length),
            ("Acme", SlugError::Character),
            ("ac me", SlugError::Character),
            ("acmé", SlugError::Character),
            ("acme.", SlugError::Character),
            ("-acme", SlugError::Hyphen),
            ("acme-", SlugError::Hyphen),
            ("www", SlugError::Reserved),
            ("platform", SlugError::Reserved),
            ("xn--bcher-kva", SlugError::Reserved),
            ("0190163d-8694-739b-aea5-966c26f8ad91", SlugError::Reserved),
        ] {
            assert_eq!(TenantSlug::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn the_demo_tenants_and_the_limits_are_slugs() {
        let longest = "a".repeat(63);
        for text in [
            "pawnee-parks-and-rec",
            "dunder-mifflin",
            "aliki-farms",
            "a-1",
            "123",
            &longest,
        ] {
            assert_eq!(TenantSlug::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_company_name_suggests_a_slug() {
        let from = |name: &str| TenantSlug::from_name(name).map(|slug| slug.to_string());
        assert_eq!(
            from("Pawnee Parks & Rec").as_deref(),
            Some("pawnee-parks-rec")
        );
        assert_eq!(
            from("  Joe’s Diner, Inc. ").as_deref(),
            Some("joes-diner-inc")
        );
        assert_eq!(
            from("Große Bäckerei Søren").as_deref(),
            Some("grosse-backerei-soren")
        );
        assert_eq!(from("株式会社"), None);
        assert_eq!(from("API"), None);
        assert_eq!(from("AB"), None);
        assert_eq!(from(""), None);
        assert_eq!(from(&"x".repeat(10_000)).map(|slug| slug.len()), Some(63));
        assert_eq!(
            from(&format!("{}ß tail", "x".repeat(62))).map(|slug| slug.len()),
            Some(63)
        );
        assert_eq!(
            from(&format!("{} tail", "x".repeat(62))).map(|slug| slug.len()),
            Some(62)
        );
    }

    #[test]
    fn json_passes_through_the_same_parse() {
        assert!(serde_json::from_str::<TenantSlug>("\"Acme\"").is_err());
        let slug: TenantSlug = serde_json::from_str("\"acme\"").unwrap();
        assert_eq!(serde_json::to_string(&slug).unwrap(), "\"acme\"");
    }

    #[test]
    fn the_reserved_words_are_sorted_and_all_refused() {
        assert!(RESERVED.is_sorted());
        for word in RESERVED {
            assert_eq!(TenantSlug::parse(word), Err(SlugError::Reserved), "{word}");
        }
    }
}

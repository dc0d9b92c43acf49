//! What a client calls one request of its own, however often it has to send it.

/// The value of the header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07, 2.1): 1
/// to [`MAX`](Self::MAX) visible ASCII characters, best a UUID. The draft has it as a string of
/// RFC 9651, in quotes; most clients send it bare. Both are the same key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// Not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdempotencyKeyError {
    /// No character at all.
    #[error("must not be empty")]
    Empty,
    /// More characters than [`IdempotencyKey::MAX`].
    #[error("must have at most {} characters", IdempotencyKey::MAX)]
    TooLong,
    /// A blank, a control character, or one beyond ASCII.
    #[error("must be visible ASCII characters")]
    Characters,
    /// It begins with a quote, and does not go on as a string of RFC 9651 does.
    #[error("begins with a quote and is no string of RFC 9651")]
    Quotes,
}

impl IdempotencyKey {
    /// The most characters, without quotes.
    pub const MAX: usize = 255;

    /// Reads the header's value, in quotes or bare. Blanks around it are HTTP's, not the key's.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, IdempotencyKeyError> {
        let text = text.trim_matches([' ', '\t']);
        let key = match text.strip_prefix('"') {
            Some(rest) => unquote(rest)?,
            None => text.to_owned(),
        };
        if key.is_empty() {
            return Err(IdempotencyKeyError::Empty);
        }
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(IdempotencyKeyError::Characters);
        }
        if key.len() > Self::MAX {
            return Err(IdempotencyKeyError::TooLong);
        }
        Ok(Self(key))
    }

    /// The key, without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What stands behind an opening quote, up to the closing one, which must be the end (RFC 9651,
/// 4.2.5).
fn unquote(text: &str) -> Result<String, IdempotencyKeyError> {
    let mut key = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next() {
            Some('\\') => match chars.next() {
                Some(escaped @ ('"' | '\\')) => key.push(escaped),
                _ => return Err(IdempotencyKeyError::Quotes),
            },
            Some('"') if chars.as_str().is_empty() => return Ok(key),
            Some('"') | None => return Err(IdempotencyKeyError::Quotes),
            Some(other) => key.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, IdempotencyKeyError> {
        IdempotencyKey::parse(text).map(|key| key.as_str().to_owned())
    }

    #[test]
    fn a_key_in_quotes_is_the_key_without_them() {
        for (text, key) in [
            ("8e03978e-40d5-43dd-bc93-6894a57f9324", None),
            ("\"8e03978e\"", Some("8e03978e")),
            ("  \"8e03978e\"\t", Some("8e03978e")),
            (r#""a\"b\\c""#, Some(r#"a"b\c"#)),
            (r#"a"b\c"#, None),
            ("!~", None),
        ] {
            let key = key.unwrap_or(text).to_owned();
            assert_eq!(parse(text), Ok(key), "{text}");
        }
    }

    #[test]
    fn what_is_no_key_says_why() {
        use IdempotencyKeyError::{Characters, Empty, Quotes, TooLong};
        for (text, error) in [
            ("", Empty),
            (" \t ", Empty),
            ("\"\"", Empty),
            ("a b", Characters),
            ("\"a b\"", Characters),
            ("a, b", Characters),
            ("a\u{7f}", Characters),
            ("\u{e4}", Characters),
            ("\"", Quotes),
            ("\"a", Quotes),
            ("\"a\"b", Quotes),
            ("\"a\"; p=1", Quotes),
            ("\"a\\n\"", Quotes),
            ("\"a\\", Quotes),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
        let longest = "x".repeat(IdempotencyKey::MAX);
        assert!(parse(&longest).is_ok());
        assert!(parse(&format!("\"{longest}\"")).is_ok());
        assert_eq!(parse(&format!("{longest}x")), Err(TooLong));
    }
}

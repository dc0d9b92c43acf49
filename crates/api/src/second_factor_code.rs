//! What is sent in `totp`: a code of an authenticator app, or a recovery code.

use serde::Deserialize;

/// The longest that anybody sends; what is right is shorter.
const MAX_CHARS: usize = 64;

/// A code as it was sent, of a length that is worth a look. No `Debug`: it is good for a minute.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct SecondFactorCode(String);

/// Longer than any code.
#[derive(Debug, thiserror::Error)]
#[error("must have at most {MAX_CHARS} characters")]
pub(crate) struct TooLong;

impl TryFrom<String> for SecondFactorCode {
    type Error = TooLong;

    fn try_from(text: String) -> Result<Self, TooLong> {
        if text.chars().count() > MAX_CHARS {
            return Err(TooLong);
        }
        Ok(Self(text))
    }
}

impl From<SecondFactorCode> for String {
    fn from(code: SecondFactorCode) -> Self {
        code.0
    }
}

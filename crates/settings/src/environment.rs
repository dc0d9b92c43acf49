//! Which of the three environments this process runs in.

use std::fmt;
use std::str::FromStr;

use crate::SettingsError;

/// Chosen by `ROWHOUSE_ENV`; decides which file lies over the defaults, and what is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Environment {
    /// A developer's machine; the default.
    #[default]
    Development,
    /// Automatic tests.
    Test,
    /// Everything that real people use.
    Production,
}

impl Environment {
    /// Its word, which is also its file's name without the ending.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Test => "test",
            Self::Production => "production",
        }
    }

    /// What `ROWHOUSE_ENV` says among these variables; unset or empty: development.
    ///
    /// # Errors
    /// [`SettingsError::Environment`] for any other word.
    pub fn of(variables: &[(String, String)]) -> Result<Self, SettingsError> {
        variables
            .iter()
            .find(|(name, value)| name == "ROWHOUSE_ENV" && !value.is_empty())
            .map_or(Ok(Self::default()), |(_, value)| value.parse())
    }
}

impl FromStr for Environment {
    type Err = SettingsError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "development" => Ok(Self::Development),
            "test" => Ok(Self::Test),
            "production" => Ok(Self::Production),
            _ => Err(SettingsError::Environment {
                found: word.to_owned(),
            }),
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Result<Environment, SettingsError> {
        Environment::of(&[("ROWHOUSE_ENV".to_owned(), value.to_owned())])
    }

    #[test]
    fn development_is_the_default() {
        assert_eq!(Environment::of(&[]).unwrap(), Environment::Development);
        assert_eq!(of("").unwrap(), Environment::Development);
        assert_eq!(of("production").unwrap(), Environment::Production);
        assert_eq!(of("test").unwrap(), Environment::Test);
    }

    #[test]
    fn an_unknown_environment_is_an_error_that_names_the_known_ones() {
        let message = "ROWHOUSE_ENV is `prod`, it must be development, test or production";
        assert_eq!(of("prod").unwrap_err().to_string(), message);
    }
}

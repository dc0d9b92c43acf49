//! The section `auth` of the settings.

use secrecy::SecretString;
use serde::Deserialize;

use crate::{AccessTokenSettings, PasswordSettings, SigningKey};

/// Section `auth`. Every key may be left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct AuthSettings {
    /// `auth.secret_key` (`SECRET_KEY`): signs access tokens, at least 32 bytes. Default: generated
    /// once in development, none in production.
    pub secret_key: Option<SecretString>,
    /// `auth.access_token_lifetime_seconds`: default 1800.
    pub access_token_lifetime_seconds: i64,
    /// `auth.refresh_token_lifetime_days`: default 30.
    pub refresh_token_lifetime_days: u32,
    /// `auth.verify_email_lifetime_hours`: how long a link that verifies an address is good;
    /// default 48.
    pub verify_email_lifetime_hours: u16,
    /// `auth.reset_password_lifetime_minutes`: how long a link to a new password is good; default
    /// 60.
    pub reset_password_lifetime_minutes: u16,
    /// `auth.bcrypt_cost`: two to the power of this many rounds, 4 to 31, default 12.
    pub bcrypt_cost: u32,
    /// `auth.password_threads`: threads for bcrypt; 0, the default, takes half of the cores.
    pub password_threads: usize,
    /// `auth.password_max_wait_seconds`: a password that would wait longer for a thread is refused
    /// with 503; default 5.
    pub password_max_wait_seconds: u64,
}

impl Default for AuthSettings {
    fn default() -> Self {
        let passwords = PasswordSettings::default();
        Self {
            secret_key: None,
            access_token_lifetime_seconds: AccessTokenSettings::default().lifetime_seconds,
            refresh_token_lifetime_days: 30,
            verify_email_lifetime_hours: 48,
            reset_password_lifetime_minutes: 60,
            bcrypt_cost: passwords.cost,
            password_threads: passwords.threads,
            password_max_wait_seconds: passwords.max_wait_seconds,
        }
    }
}

impl AuthSettings {
    /// How passwords are hashed.
    #[must_use]
    pub fn passwords(&self) -> PasswordSettings {
        PasswordSettings {
            cost: self.bcrypt_cost,
            threads: self.password_threads,
            max_wait_seconds: self.password_max_wait_seconds,
        }
    }

    /// How access tokens are signed under `secret`.
    #[must_use]
    pub fn access_tokens(&self, secret: SecretString) -> AccessTokenSettings {
        AccessTokenSettings {
            lifetime_seconds: self.access_token_lifetime_seconds,
            keys: vec![SigningKey {
                kid: "1".to_owned(),
                secret,
            }],
            ..AccessTokenSettings::default()
        }
    }
}

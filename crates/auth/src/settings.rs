//! The section `auth` of the settings.

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use serde::Deserialize;
use std::{fs, path::PathBuf};

use crate::{
    AccessTokenSettings, AuthError, PasswordSettings, SecretKeys, SigningKey, TokenAlgorithm,
};

/// Section `auth`. Every key may be left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct AuthSettings {
    /// `auth.secret_key` (`SECRET_KEY`): signs access tokens, at least 32 bytes. Default: generated
    /// once in development, none in production.
    pub secret_key: Option<SecretString>,
    /// `auth.previous_secret_keys`: what they made is still accepted. Default none.
    pub previous_secret_keys: Vec<SecretString>,
    /// `auth.algorithm`: of access tokens, `HS256` under the secret key or `EdDSA` under
    /// `auth.signing_keys`. Default `HS256`.
    pub algorithm: TokenAlgorithm,
    /// `auth.signing_keys`: files with an Ed25519 private key each (PKCS #8, PEM); the first signs.
    /// Default none.
    pub signing_keys: Vec<PathBuf>,
    /// `auth.access_token_lifetime_seconds`: default 1800.
    pub access_token_lifetime_seconds: i64,
    /// `auth.refresh_token_lifetime_days`: default 30.
    pub refresh_token_lifetime_days: u32,
    /// `auth.require_verified_email`: whether only who has followed the link in a mail gets in.
    /// Registration then answers 202, whether the address is known or not. Default false.
    pub require_verified_email: bool,
    /// `auth.captcha`: what a registration must show. Default nothing.
    pub captcha: CaptchaSettings,
    /// `auth.verify_email_lifetime_hours`: how long a link that verifies an address is good;
    /// default 48.
    pub verify_email_lifetime_hours: u16,
    /// `auth.reset_password_lifetime_minutes`: how long a link to a new password is good; default
    /// 60.
    pub reset_password_lifetime_minutes: u16,
    /// `auth.invitation_lifetime_days`: how long the link of an invitation is good; default 7.
    pub invitation_lifetime_days: u16,
    /// `auth.bcrypt_cost`: two to the power of this many rounds, 4 to 31, default 12.
    pub bcrypt_cost: u32,
    /// `auth.password_threads`: threads for bcrypt; 0, the default, takes half of the cores.
    pub password_threads: usize,
    /// `auth.password_max_wait_seconds`: a password that would wait longer for a thread is refused
    /// with 503; default 5.
    pub password_max_wait_seconds: u64,
    /// `auth.login_failure_limit`: how many sign-ins may fail for one address and e-mail within the
    /// window; default 10.
    pub login_failure_limit: u16,
    /// `auth.login_failure_window_minutes`: how long a failed sign-in counts; default 15.
    pub login_failure_window_minutes: u16,
    /// `auth.step_up_max_age_seconds`: how long ago somebody may have proved who they are for what
    /// cannot be undone; default 900.
    pub step_up_max_age_seconds: u32,
}

/// Section `auth.captcha`. Off unless both are there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CaptchaSettings {
    /// `auth.captcha.verify_url`: where tokens are verified, by the protocol that hCaptcha,
    /// reCAPTCHA and Turnstile share (`siteverify`). Default none.
    pub verify_url: Option<String>,
    /// `auth.captcha.secret`: what the verifier knows this server by. Default none.
    pub secret: Option<SecretString>,
}

impl Default for AuthSettings {
    fn default() -> Self {
        let passwords = PasswordSettings::default();
        Self {
            secret_key: None,
            previous_secret_keys: Vec::new(),
            algorithm: TokenAlgorithm::default(),
            signing_keys: Vec::new(),
            access_token_lifetime_seconds: AccessTokenSettings::default().lifetime_seconds,
            refresh_token_lifetime_days: 30,
            require_verified_email: false,
            captcha: CaptchaSettings::default(),
            verify_email_lifetime_hours: 48,
            reset_password_lifetime_minutes: 60,
            invitation_lifetime_days: 7,
            bcrypt_cost: passwords.cost,
            password_threads: passwords.threads,
            password_max_wait_seconds: passwords.max_wait_seconds,
            login_failure_limit: 10,
            login_failure_window_minutes: 15,
            step_up_max_age_seconds: 900,
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

    /// Until when an invitation is good that is sent at `now`.
    #[must_use]
    pub fn invitation_ends(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + TimeDelta::days(self.invitation_lifetime_days.into())
    }

    /// The secret key, or `generated` where none is set, and those before it.
    #[must_use]
    pub fn secret_keys(&self, generated: &SecretString) -> SecretKeys {
        let current = self.secret_key.as_ref().unwrap_or(generated);
        SecretKeys::new(current.clone(), self.previous_secret_keys.clone())
    }

    /// How access tokens are signed.
    ///
    /// # Errors
    /// [`AuthError::KeyFile`], [`AuthError::NotAnEd25519Key`].
    pub fn access_tokens(&self, secrets: &SecretKeys) -> Result<AccessTokenSettings, AuthError> {
        let keys = match self.algorithm {
            TokenAlgorithm::Hs256 => secrets.signing_keys(),
            TokenAlgorithm::EdDsa => self
                .signing_keys
                .iter()
                .map(|path| {
                    let pem = fs::read_to_string(path).map_err(|source| AuthError::KeyFile {
                        path: path.clone(),
                        source,
                    })?;
                    SigningKey::ed25519(pem.into())
                })
                .collect::<Result<_, _>>()?,
        };
        Ok(AccessTokenSettings {
            lifetime_seconds: self.access_token_lifetime_seconds,
            algorithm: self.algorithm,
            keys,
            ..AccessTokenSettings::default()
        })
    }
}

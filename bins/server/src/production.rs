//! What is fine on a developer's machine and refused in production, and what makes no sense anywhere.

use ::settings::Environment;
use secrecy::ExposeSecret as _;

use crate::settings::Settings;

/// Why this configuration does not go into production.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Refusal {
    #[error("production needs a database of its own: set DATABASE_URL")]
    EmbeddedDatabase,
    #[error("production needs a SECRET_KEY: at least 32 random bytes")]
    NoSecretKey,
    #[error("the SECRET_KEY is too short for production: at least 32 bytes")]
    ShortSecretKey,
    #[error("the SECRET_KEY is one of an example; make one: openssl rand -hex 32")]
    ExampleSecretKey,
    #[error("DEBUG must be off in production")]
    Debug,
    #[error("cors.allowed_origins must name each origin in production: * lets every page in")]
    AnyOrigin,
    #[error(
        "server.require_https needs server.trusted_proxies: only a proxy in front can say who came by HTTPS"
    )]
    HttpsWithoutProxy,
}

pub(crate) fn check(settings: &Settings, environment: Environment) -> Result<(), Refusal> {
    if settings.server.require_https && settings.server.trusted_proxies.is_empty() {
        return Err(Refusal::HttpsWithoutProxy);
    }
    if environment != Environment::Production {
        return Ok(());
    }
    if settings.debug {
        return Err(Refusal::Debug);
    }
    if settings.cors.allows_any() {
        return Err(Refusal::AnyOrigin);
    }
    if !settings.database.is_external() {
        return Err(Refusal::EmbeddedDatabase);
    }
    let secret = settings
        .auth
        .secret_key
        .as_ref()
        .ok_or(Refusal::NoSecretKey)?;
    for secret in [secret]
        .into_iter()
        .chain(&settings.auth.previous_secret_keys)
    {
        check_secret(secret.expose_secret())?;
    }
    Ok(())
}

fn check_secret(secret: &str) -> Result<(), Refusal> {
    if secret.len() < 32 {
        return Err(Refusal::ShortSecretKey);
    }
    let lower = secret.to_ascii_lowercase();
    if ["secret-key", "change", "example", "your-"]
        .iter()
        .any(|word| lower.contains(word))
    {
        return Err(Refusal::ExampleSecretKey);
    }
    Ok(())
}

//! The settings of this binary, composed of those of the crates that it starts.

use ::settings::{Environment, SettingsError, Sources};
use serde::Deserialize;

/// The sections that matter here.
#[derive(Debug, Deserialize)]
pub(crate) struct Settings {
    pub(crate) audit: store::AuditSettings,
    pub(crate) auth: auth::AuthSettings,
    pub(crate) database: store::DatabaseSettings,
    pub(crate) plans: store::PlansSettings,
    pub(crate) seal: store::SealSettings,
}

pub(crate) fn load() -> Result<(Settings, Environment), SettingsError> {
    let loaded = ::settings::load::<Settings>(Sources::of_process(&[
        "seal.key_file",
        "audit.signing_key_file",
        "mail.ca_file",
    ]))?;
    for key in &loaded.unknown_keys {
        log::warn!(key:% = key; "a setting is unknown and was ignored");
    }
    Ok((loaded.value, loaded.environment))
}

//! The settings of this binary, composed of those of the crates that it starts.

use ::settings::{SettingsError, Sources};
use serde::Deserialize;

/// The sections that matter here.
#[derive(Debug, Deserialize)]
pub(crate) struct Settings {
    pub(crate) database: store::DatabaseSettings,
    pub(crate) seal: store::SealSettings,
}

pub(crate) fn load() -> Result<Settings, SettingsError> {
    let loaded = ::settings::load::<Settings>(Sources::of_process(&[
        "seal.key_file",
        "audit.signing_key_file",
        "mail.ca_file",
    ]))?;
    for key in &loaded.unknown_keys {
        log::warn!(key:% = key; "a setting is unknown and was ignored");
    }
    Ok(loaded.value)
}

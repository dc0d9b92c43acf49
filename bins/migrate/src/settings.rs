//! The settings of this binary, composed of those of the crates that it starts.

use std::path::PathBuf;

use ::settings::{SettingsError, Sources};
use serde::Deserialize;

/// The sections that matter here.
#[derive(Debug, Deserialize)]
pub(crate) struct Settings {
    pub(crate) database: store::DatabaseSettings,
    pub(crate) seal: store::SealSettings,
}

pub(crate) fn load() -> Result<Settings, SettingsError> {
    let config = PathBuf::from("config");
    let loaded = ::settings::load::<Settings>(Sources {
        environment: None,
        config_dir: config.is_dir().then_some(config),
        embedded_defaults: &[
            ("default", include_str!("../../../config/default.toml")),
            (
                "development",
                include_str!("../../../config/development.toml"),
            ),
            ("test", include_str!("../../../config/test.toml")),
            (
                "production",
                include_str!("../../../config/production.toml"),
            ),
        ],
        variables: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        file_keys: &["seal.key_file"],
    })?;
    for key in &loaded.unknown_keys {
        log::warn!(key:% = key; "a setting is unknown and was ignored");
    }
    Ok(loaded.value)
}

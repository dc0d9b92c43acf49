//! The settings of this binary, composed of those of the crates that it starts.

use std::net::SocketAddr;
use std::path::PathBuf;

use ::settings::{Loaded, SettingsError, Sources};
use serde::Deserialize;

/// All sections.
#[derive(Debug, Deserialize)]
pub(crate) struct Settings {
    #[serde(default)]
    pub(crate) debug: bool,
    pub(crate) server: api::ServerSettings,
    pub(crate) database: store::DatabaseSettings,
    pub(crate) seal: store::SealSettings,
    pub(crate) auth: auth::AuthSettings,
    pub(crate) log: LogSettings,
}

/// Section `log`.
#[derive(Debug, Deserialize)]
pub(crate) struct LogSettings {
    /// `log.format`: `text` for people (default), `json` for machines (default in production).
    pub(crate) format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// The port is somebody else's, or the address not ours.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}; another port is set by PORT")]
pub(crate) struct NotListening {
    pub(crate) address: SocketAddr,
    pub(crate) source: std::io::Error,
}

pub(crate) fn load() -> Result<Loaded<Settings>, SettingsError> {
    let config = PathBuf::from("config");
    ::settings::load(Sources {
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
    })
}

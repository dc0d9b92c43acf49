//! What every binary reads: the files and variables of its own process.

use std::env;
use std::path::PathBuf;

use crate::Sources;

/// The files of `config/`, so that a binary that was copied away still has its defaults.
const DEFAULTS: &[(&str, &str)] = &[
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
];

impl Sources<'static> {
    /// `config/` in the working directory over the texts compiled in, and this process's
    /// variables. `file_keys` as the field says.
    #[must_use]
    pub fn of_process(file_keys: &'static [&'static str]) -> Self {
        let config = PathBuf::from("config");
        Self {
            environment: None,
            config_dir: config.is_dir().then_some(config),
            embedded_defaults: DEFAULTS,
            variables: env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            file_keys,
        }
    }
}

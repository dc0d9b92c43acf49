//! Why the settings could not be loaded. Read by whoever starts a binary: one line each, with the
//! key and where its value came from, never with the value.

use std::path::PathBuf;

/// Why the settings could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// `ROWHOUSE_ENV` holds an unknown word.
    #[error("ROWHOUSE_ENV is `{found}`, it must be development, test or production")]
    Environment {
        /// The word.
        found: String,
    },
    /// A configuration directory was asked for and is not one.
    #[error("the configuration directory {} does not exist", path.display())]
    Directory {
        /// What was asked for.
        path: PathBuf,
    },
    /// A configuration file is there and cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        reason: std::io::Error,
    },
    /// A file that a `…_FILE` variable names cannot be read.
    #[error("{} (named by {variable}) cannot be read", path.display())]
    UnreadableSecret {
        /// The variable.
        variable: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        reason: std::io::Error,
    },
    /// A file that a `…_FILE` variable names is empty.
    #[error("{} (named by {variable}) is empty", path.display())]
    EmptySecret {
        /// The variable.
        variable: String,
        /// The file.
        path: PathBuf,
    },
    /// A configuration file is not TOML.
    #[error("{file} is not valid TOML: {reason}")]
    Toml {
        /// The file, or which of the built-in texts.
        file: String,
        /// Line, column and what was expected.
        reason: String,
    },
    /// A setting without a default is not set.
    #[error("the setting `{key}` is missing; set it in a configuration file or as {variable}")]
    Missing {
        /// Its key.
        key: String,
        /// The variable that sets it.
        variable: String,
    },
    /// A setting is of the wrong kind or out of its range.
    #[error("the setting `{key}` from {origin} is invalid: {reason}")]
    Invalid {
        /// Its key.
        key: String,
        /// The file or variable that its value came from.
        origin: String,
        /// What was expected.
        reason: String,
    },
}

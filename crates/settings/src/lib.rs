//! Typed settings from files and from the environment, for every binary the same way.
//!
//! The problem: a setting that is mistyped, misspelled or forgotten must be named in one line, with
//! where it came from and without its value, before anything starts. From weakest to strongest:
//!
//! 1. `config/default.toml` (the text compiled in, then the file on disk over it)
//! 2. `config/{environment}.toml` (likewise)
//! 3. short variables: `DATABASE_URL`, `REDIS_URL`, `SECRET_KEY`, `PORT`, `DEBUG`
//! 4. `ROWHOUSE__SECTION__KEY`
//!
//! A variable of 3 and 4 with `_FILE` behind its name names a file that holds the value.
//!
//! ```
//! use settings::{Environment, Sources};
//!
//! #[derive(serde::Deserialize)]
//! struct Settings {
//!     server: Server,
//! }
//! #[derive(serde::Deserialize)]
//! struct Server {
//!     port: u16,
//! }
//!
//! let loaded = settings::load::<Settings>(Sources {
//!     environment: None,
//!     config_dir: None,
//!     embedded_defaults: &[("default", "[server]\nport = 8000")],
//!     variables: vec![("PORT".into(), "9000".into())],
//!     file_keys: &[],
//! })?;
//! assert_eq!(loaded.value.server.port, 9000);
//! assert_eq!(loaded.environment, Environment::Development);
//! # Ok::<(), settings::SettingsError>(())
//! ```
//!
//! What deliberately does not live here: the settings themselves. Each crate defines its own struct
//! (a field's doc says key, unit and default), each binary composes those that it needs. A struct
//! that wants numbers or switches from the environment must not use `#[serde(flatten)]` or
//! `untagged`: behind those, serde no longer asks for a number, and the text stays a text.
//!
//! **To add a setting:** a field in its crate's struct, a line in `config/default.toml`, a line in
//! `.env.example`. Nothing here. A short name for it: a line in `variables.rs`.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod environment;
mod error;
mod layers;
mod load;
mod process;
mod variables;

pub use environment::Environment;
pub use error::SettingsError;
pub use load::{Loaded, Sources, load};

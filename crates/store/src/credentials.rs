//! The secrets that nobody chose: generated once into `$ROWHOUSE_HOME/credentials.toml` (0600),
//! so that an administrator need not invent them and a restart does not change them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tenant_db::{SealKey, SealKeyError};

/// The file's name in the home folder.
pub(crate) const FILE: &str = "credentials.toml";

/// What `credentials.toml` holds.
#[derive(Debug, Clone)]
pub struct Credentials {
    app_password: SecretString,
    auth_password: SecretString,
    ops_password: SecretString,
    secret_key: SecretString,
    seal_keys: Vec<SealKey>,
}

/// Why the file could not be read or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The file could not be read or written.
    #[error("cannot use {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not what this program writes.
    #[error("{path} is not a credentials file: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, without its contents.
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contents {
    database: DatabaseSection,
    auth: AuthSection,
    pub(crate) seal: SealSection,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DatabaseSection {
    app_password: String,
    auth_password: String,
    ops_password: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthSection {
    secret_key: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SealSection {
    /// `kid:secret`, the first signs.
    pub(crate) keys: Vec<String>,
}

impl Credentials {
    /// Reads `credentials.toml` in `home`, or makes it. Two processes that start at once end up
    /// with the same one.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn load_or_create(home: &Path) -> Result<Self, CredentialsError> {
        let path = home.join(FILE);
        let io = |source| CredentialsError::Io {
            path: path.clone(),
            source,
        };
        fs::create_dir_all(home).map_err(io)?;
        // Whoever holds the lock finds the file, or is the one who writes it.
        let lock = File::create(home.join("credentials.lock")).map_err(io)?;
        lock.lock().map_err(io)?;
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text, &path),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let text = generate();
                let draft = home.join("credentials.toml.new");
                let mut file = OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(0o600)
                    .open(&draft)
                    .map_err(io)?;
                file.write_all(text.as_bytes())
                    .and_then(|()| file.sync_all())
                    .map_err(io)?;
                fs::rename(&draft, &path).map_err(io)?;
                Self::parse(&text, &path)
            }
            Err(e) => Err(io(e)),
        }
    }

    fn parse(text: &str, path: &Path) -> Result<Self, CredentialsError> {
        let contents = Contents::parse(text, path)?;
        let seal_keys = parse_seal_keys(&contents.seal.keys, path)?;
        Ok(Self {
            app_password: contents.database.app_password.into(),
            auth_password: contents.database.auth_password.into(),
            ops_password: contents.database.ops_password.into(),
            secret_key: contents.auth.secret_key.into(),
            seal_keys,
        })
    }

    /// Password of `rowhouse_app`.
    #[must_use]
    pub fn app_password(&self) -> &SecretString {
        &self.app_password
    }

    /// Password of `rowhouse_auth`.
    #[must_use]
    pub fn auth_password(&self) -> &SecretString {
        &self.auth_password
    }

    /// Password of `rowhouse_ops`.
    #[must_use]
    pub fn ops_password(&self) -> &SecretString {
        &self.ops_password
    }

    /// The key under which access tokens are signed where no `SECRET_KEY` is set.
    #[must_use]
    pub fn secret_key(&self) -> &SecretString {
        &self.secret_key
    }

    /// The keys under which contexts are sealed; the first signs.
    #[must_use]
    pub fn seal_keys(&self) -> &[SealKey] {
        &self.seal_keys
    }
}

/// The section `seal` of the settings.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct SealSettings {
    /// `kid:secret` each, the first signs; default: from `credentials.toml`.
    pub keys: Vec<SecretString>,
    /// A file with one `kid:secret` a line, in place of `keys`.
    pub key_file: Option<PathBuf>,
}

impl SealSettings {
    /// The keys that the settings name; those of the credentials when they name none.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn keys(&self, credentials: &Credentials) -> Result<Vec<SealKey>, CredentialsError> {
        let keys = match &self.key_file {
            Some(path) => parse_seal_keys(&read_lines(path)?, path)?,
            None => self.own_keys()?,
        };
        Ok(if keys.is_empty() {
            credentials.seal_keys.clone()
        } else {
            keys
        })
    }

    /// Those that stand in the settings themselves.
    ///
    /// # Errors
    /// [`CredentialsError::Malformed`].
    pub fn own_keys(&self) -> Result<Vec<SealKey>, CredentialsError> {
        let keys = self.keys.iter().map(|key| key.expose_secret().to_owned());
        parse_seal_keys(&keys.collect::<Vec<_>>(), Path::new("seal.keys"))
    }
}

impl Contents {
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, CredentialsError> {
        // The parser's own message quotes the line, and with it a secret.
        toml::from_str(text).map_err(|e| CredentialsError::Malformed {
            path: path.to_owned(),
            reason: e.message().to_owned(),
        })
    }

    pub(crate) fn to_text(&self) -> String {
        // Strings and lists of strings always serialise.
        toml::to_string(self).unwrap_or_default()
    }
}

/// The lines of a key file.
pub(crate) fn read_lines(path: &Path) -> Result<Vec<String>, CredentialsError> {
    let text = fs::read_to_string(path).map_err(|source| CredentialsError::Io {
        path: path.to_owned(),
        source,
    })?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    Ok(lines.map(ToOwned::to_owned).collect())
}

pub(crate) fn parse_seal_keys(
    lines: &[String],
    path: &Path,
) -> Result<Vec<SealKey>, CredentialsError> {
    let key = |line: &String| {
        let (kid, secret) = line.trim().split_once(':').ok_or(SealKeyError::Kid)?;
        SealKey::new(kid, secret.as_bytes())
    };
    let keys: Result<Vec<SealKey>, SealKeyError> = lines.iter().map(key).collect();
    keys.map_err(|e| CredentialsError::Malformed {
        path: path.to_owned(),
        reason: e.to_string(),
    })
}

/// A new key as a line of a file, under a name that no other installation has.
pub(crate) fn generate_seal_key() -> String {
    let name: [u8; 6] = rand::random();
    format!("k{}:{}", hex(&name), random_secret())
}

/// A fresh file; every secret has 256 random bits.
fn generate() -> String {
    let contents = Contents {
        database: DatabaseSection {
            app_password: random_secret(),
            auth_password: random_secret(),
            ops_password: random_secret(),
        },
        auth: AuthSection {
            secret_key: random_secret(),
        },
        seal: SealSection {
            keys: vec![generate_seal_key()],
        },
    };
    contents.to_text()
}

fn random_secret() -> String {
    let bytes: [u8; 32] = rand::random();
    hex(&bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn credentials_are_made_once_and_only_their_owner_reads_them() {
        let home = tempfile::tempdir().unwrap();
        let first = Credentials::load_or_create(home.path()).unwrap();
        let second = Credentials::load_or_create(home.path()).unwrap();
        assert_eq!(
            first.app_password.expose_secret(),
            second.app_password.expose_secret()
        );
        assert_eq!(first.secret_key.expose_secret().len(), 64);
        let kid = |credentials: &Credentials| {
            let key = credentials.seal_keys().first().unwrap();
            key.kid().to_owned()
        };
        assert_eq!(kid(&first), kid(&second));
        let elsewhere = tempfile::tempdir().unwrap();
        let other = Credentials::load_or_create(elsewhere.path()).unwrap();
        assert_ne!(kid(&first), kid(&other));
        let mode = fs::metadata(home.path().join("credentials.toml"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_file_is_named_without_its_contents() {
        let home = tempfile::tempdir().unwrap();
        fs::write(
            home.path().join("credentials.toml"),
            "[database]\napp_password = hunter2\n",
        )
        .unwrap();
        let error = Credentials::load_or_create(home.path())
            .unwrap_err()
            .to_string();
        assert!(error.contains("credentials.toml"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn seal_keys_of_the_settings_come_before_the_generated_ones() {
        let home = tempfile::tempdir().unwrap();
        let credentials = Credentials::load_or_create(home.path()).unwrap();
        let settings = SealSettings {
            keys: vec!["own:0123456789abcdef0123456789abcdef".to_owned().into()],
            key_file: None,
        };
        assert_eq!(
            settings.keys(&credentials).unwrap().first().unwrap().kid(),
            "own"
        );
        let short = SealSettings {
            keys: vec!["own:short".to_owned().into()],
            key_file: None,
        };
        assert!(short.keys(&credentials).is_err());
    }
}

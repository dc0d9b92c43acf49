//! The key under which an operator signs checkpoints of the audit trail: Ed25519 (RFC 8032), in a file
//! of its own. What is signed is the caller's; whose signatures count says `trusted_key.rs`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::AuthError;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// Signs. Cheap to clone.
#[derive(Clone)]
pub struct CheckpointKey {
    pair: Arc<Ed25519KeyPair>,
}

impl std::fmt::Debug for CheckpointKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CheckpointKey").finish_non_exhaustive()
    }
}

impl CheckpointKey {
    /// Reads a key: PKCS #8 in PEM, as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    /// [`AuthError::KeyFile`], [`AuthError::NotACheckpointKey`].
    pub fn load(path: &Path) -> Result<Self, AuthError> {
        let text = fs::read_to_string(path).map_err(|source| file(path, source))?;
        let body: String = text
            .trim()
            .strip_prefix(BEGIN)
            .and_then(|rest| rest.strip_suffix(END))
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let malformed = || AuthError::NotACheckpointKey {
            path: path.to_owned(),
        };
        let der = STANDARD.decode(body).map_err(|_| malformed())?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| malformed())?;
        Ok(Self {
            pair: Arc::new(pair),
        })
    }

    /// Reads the key, or makes one that only its owner may read. Two processes that start at once
    /// end up with the same one.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_or_create(path: &Path) -> Result<Self, AuthError> {
        let io = |source| file(path, source);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(io)?;
        }
        // Whoever holds the lock finds the file, or is the one who writes it.
        let lock = File::create(path.with_extension("lock")).map_err(io)?;
        lock.lock().map_err(io)?;
        if !path.exists() {
            let pair = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new())
                .map_err(|_| AuthError::NotACheckpointKey {
                    path: path.to_owned(),
                })?;
            let draft = path.with_extension("new");
            let mut new = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&draft)
                .map_err(io)?;
            let body = STANDARD.encode(pair.as_ref());
            writeln!(new, "{BEGIN}\n{body}\n{END}")
                .and_then(|()| new.sync_all())
                .map_err(io)?;
            fs::rename(&draft, path).map_err(io)?;
        }
        Self::load(path)
    }

    /// What others verify with: 32 bytes.
    #[must_use]
    pub fn public_key(&self) -> Vec<u8> {
        self.pair.public_key().as_ref().to_vec()
    }

    /// The signature of these bytes: 64 bytes.
    #[must_use]
    pub fn sign(&self, statement: &[u8]) -> Vec<u8> {
        self.pair.sign(statement).as_ref().to_vec()
    }
}

/// Whether whoever has the private key of this public one has signed these bytes.
#[must_use]
pub fn is_signed(public_key: &[u8], statement: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public_key)
        .verify(statement, signature)
        .is_ok()
}

fn file(path: &Path, source: io::Error) -> AuthError {
    AuthError::KeyFile {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_what_it_signs_nobody_else_has_signed() {
        let folder = std::env::temp_dir().join(format!("checkpoint-key-{}", uuid::Uuid::new_v4()));
        let path = folder.join("audit.pem");
        let first = CheckpointKey::load_or_create(&path).unwrap();
        let again = CheckpointKey::load_or_create(&path).unwrap();
        assert_eq!(first.public_key(), again.public_key());
        let signature = first.sign(b"statement");
        assert!(is_signed(&again.public_key(), b"statement", &signature));
        assert!(!is_signed(&again.public_key(), b"another", &signature));
        let other = CheckpointKey::load_or_create(&folder.join("other.pem")).unwrap();
        assert!(!is_signed(&other.public_key(), b"statement", &signature));
        assert!(!is_signed(b"short", b"statement", &signature));

        fs::write(&path, "no key").unwrap();
        let error = CheckpointKey::load(&path).unwrap_err();
        assert!(matches!(error, AuthError::NotACheckpointKey { .. }));
        let error = CheckpointKey::load(&folder.join("none.pem")).unwrap_err();
        assert!(matches!(error, AuthError::KeyFile { .. }));
        fs::remove_dir_all(&folder).unwrap();
    }
}

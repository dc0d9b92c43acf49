//! The section `audit` of the settings, where the key of checkpoints lies, and which ones count.

use std::path::{Path, PathBuf};
use std::time::Duration;

use auth::{AuthError, CheckpointKey, TrustedKey};
use serde::Deserialize;

/// Section `audit`. Every key may be left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct AuditSettings {
    /// `audit.seal_milliseconds`: how often events are sealed. Default 1000.
    pub seal_milliseconds: u64,
    /// `audit.signing_key_file`: the Ed25519 private key (PKCS #8, PEM) that signs checkpoints; the
    /// same for all servers. Default: `audit-signing.pem` in the home folder, made when it is missing.
    pub signing_key_file: Option<PathBuf>,
    /// `audit.earlier_public_keys`: the public keys that signed checkpoints before, each with a colon
    /// and the number of the last one that counts. Default none.
    pub earlier_public_keys: Vec<TrustedKey>,
    /// `audit.full_check_hours`: how often each chain is examined from its beginning on, a piece at a
    /// time; 0: never. Default 24.
    pub full_check_hours: u16,
    /// `audit.queue_size`: how many denials, and how many reads, wait in memory at most to be written
    /// down; what comes beyond them is counted and lost. Default 4096.
    pub queue_size: usize,
    /// `audit.denials_retention_days`: days that denials are kept. Default 90.
    pub denials_retention_days: u16,
    /// `audit.reads_retention_days`: days that reads of what is sensitive are kept. Default 90.
    pub reads_retention_days: u16,
}

/// The key that is made when none is set.
const GENERATED: &str = "audit-signing.pem";

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            seal_milliseconds: 1000,
            signing_key_file: None,
            earlier_public_keys: Vec::new(),
            full_check_hours: 24,
            queue_size: 4096,
            denials_retention_days: 90,
            reads_retention_days: 90,
        }
    }
}

impl AuditSettings {
    /// How often events are sealed.
    #[must_use]
    pub fn seal_period(&self) -> Duration {
        Duration::from_millis(self.seal_milliseconds.max(1))
    }

    /// The key that signs checkpoints.
    ///
    /// # Errors
    /// [`AuthError::KeyFile`], [`AuthError::NotACheckpointKey`].
    pub fn signing_key(&self, home: &Path) -> Result<CheckpointKey, AuthError> {
        match &self.signing_key_file {
            Some(path) => CheckpointKey::load(path),
            None => CheckpointKey::load_or_create(&home.join(GENERATED)),
        }
    }

    /// Whose signatures count: that of the key that signs today, where there is one, and the earlier
    /// ones'. Nothing is made here.
    ///
    /// # Errors
    /// As [`signing_key`](Self::signing_key).
    pub fn trusted_keys(&self, home: &Path) -> Result<Vec<TrustedKey>, AuthError> {
        let mut keys = Vec::new();
        if self.signing_key_file.is_some() || home.join(GENERATED).exists() {
            keys.push(TrustedKey::new(self.signing_key(home)?.public_key()));
        }
        keys.extend(self.earlier_public_keys.iter().cloned());
        Ok(keys)
    }
}

//! Whose bucket a presented API key draws from, as of the last time that it was looked up: so that a
//! request that is refused needs no look-up. It decides nothing else; each request that is served
//! looks the key up anew.

use std::time::Duration;

use auth::{KeyPrincipal, KeySecret};
use moka::sync::Cache;

/// Most that are remembered.
const MOST: u64 = 100_000;
/// Unused.
const IDLE: Duration = Duration::from_secs(300);

/// By the hash of the whole key: its prefix is no secret, and who only knows that draws from nothing.
pub(super) struct KnownKeys(Cache<[u8; 32], KeyPrincipal>);

impl Default for KnownKeys {
    fn default() -> Self {
        let cache = Cache::builder().max_capacity(MOST).time_to_idle(IDLE);
        Self(cache.build())
    }
}

impl KnownKeys {
    pub(super) fn get(&self, key: &KeySecret) -> Option<KeyPrincipal> {
        self.0.get(key.hash().as_bytes())
    }

    pub(super) fn remember(&self, key: &KeySecret, found: &KeyPrincipal) {
        self.0.insert(*key.hash().as_bytes(), found.clone());
    }

    /// A key that is not good any more draws from nobody's bucket.
    pub(super) fn forget(&self, key: &KeySecret) {
        self.0.invalidate(key.hash().as_bytes());
    }
}

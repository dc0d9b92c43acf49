//! Section `redis`.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

/// Section `redis`. Every key may be left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct RedisSettings {
    /// `redis.url`: `redis://[user:password@]host:port/db`, `rediss://…` for TLS, or
    /// `redis+unix:///path`. Default none: every process limits for itself.
    pub url: Option<SecretString>,
    /// `redis.on_failure`: what holds while Redis does not answer. Default `local`.
    pub on_failure: OnFailure,
    /// `redis.timeout_milliseconds`: how long a call waits for Redis before it counts as failed.
    /// Default 100.
    pub timeout_milliseconds: u32,
}

/// What holds while Redis does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// `local`: each process has buckets of its own, full at first, of the same size. Then `n`
    /// processes let through at most `n` times what one bucket would, and what Redis had let
    /// through before.
    #[default]
    Local,
    /// `open`: everything is let through.
    Open,
    /// `closed`: nothing is; a call is [`Unavailable`](crate::Unavailable).
    Closed,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            url: None,
            on_failure: OnFailure::Local,
            timeout_milliseconds: 100,
        }
    }
}

impl RedisSettings {
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_milliseconds.max(1).into())
    }
}

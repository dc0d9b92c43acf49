//! A connection that hears what is told by NOTIFY, and does nothing else.

use diesel::connection::{Connection as _, InstrumentationEvent, SimpleConnection as _};
use secrecy::SecretString;

use crate::error::Error;
use crate::pool::PoolSettings;
use crate::session::{Purpose, Session, SessionManager, SessionSettings};

/// Hears one channel. Anybody who has SQL on the database may listen to any channel and tell on it:
/// what is told there must be of no use to the one, and do no harm from the other.
pub struct Listener {
    session: Session,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

/// The name of a channel: letters of `a-z` and `_`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channel(&'static str);

impl Channel {
    /// `None` for an empty name, and for one with other characters.
    #[must_use]
    pub fn new(name: &'static str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        (!name.is_empty() && name.bytes().all(is_plain)).then_some(Self(name))
    }
}

impl Listener {
    /// Connects as the role of `url`, with `application_name` and the rest of `settings` that
    /// concerns a session. What was told before it answers is lost. Not through PgBouncer, behind
    /// which nobody hears anything.
    ///
    /// # Errors
    /// [`Error::Unavailable`]. Not for async code: it blocks.
    pub fn connect(
        url: impl Into<SecretString>,
        channel: Channel,
        settings: &PoolSettings,
    ) -> Result<Self, Error> {
        let session = SessionSettings {
            search_path: settings.search_path.clone(),
            statement_timeout_seconds: settings.statement_timeout_seconds,
            lock_timeout_seconds: settings.lock_timeout_seconds,
            application_name: settings.application_name.clone(),
            force_generic_plan: false,
            pgbouncer: false,
        };
        let mut session = SessionManager::new(&url.into(), Purpose::Service, &session).open()?;
        // Nobody asked for what it does from time to time.
        let unseen = |_: InstrumentationEvent<'_>| ();
        session.conn.set_instrumentation(unseen);
        let listen = format!("LISTEN {}", channel.0);
        session.conn.batch_execute(&listen)?;
        Ok(Self { session })
    }

    /// What was told since the last call, oldest first, without waiting and without a round trip.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the connection is gone: connect another one, and count on
    /// having missed something.
    pub fn told(&mut self) -> Result<Vec<String>, Error> {
        let told: Result<Vec<_>, _> = self.session.conn.notifications_iter().collect();
        let told = told.map_err(|e| Error::Unavailable(Box::new(e)))?;
        Ok(told.into_iter().map(|told| told.payload).collect())
    }

    /// One round trip: whether there still is somebody at the other end.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub fn check(&mut self) -> Result<(), Error> {
        let checked = self.session.conn.batch_execute("SELECT 1");
        checked.map_err(|e| Error::Unavailable(Box::new(e)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sql_is_a_channel() {
        assert!(Channel::new("tenant_plans").is_some());
        for name in ["", "a; DROP TABLE b", "A", "a\"b", "é"] {
            assert_eq!(Channel::new(name), None, "{name}");
        }
    }
}

//! What differs behind PgBouncer in transaction pooling, where each transaction may run on another
//! backend, and a neighbour's runs on this one before and after: nothing may rest on a backend
//! from one transaction to the next, neither settings nor what SQL left behind.

use diesel::connection::{AnsiTransactionManager, SimpleConnection as _};
use diesel::result::QueryResult;

use crate::session::Session;

/// The settings of a pool as one SELECT that holds to the end of a transaction.
#[derive(Debug)]
pub(crate) struct LocalSettings(String);

impl LocalSettings {
    pub(crate) fn new<'a>(settings: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        let calls: Vec<String> = settings
            .into_iter()
            .map(|(name, value)| {
                let value = literal(&value);
                format!("pg_catalog.set_config('{name}', {value}, true)")
            })
            .collect();
        Self(format!("SELECT {}", calls.join(", ")))
    }

    /// The beginning of a transaction on a backend that anybody may have used before: without what
    /// they left, under these settings, in one message. What was set comes last, so that no
    /// time limit of theirs ends it.
    pub(crate) fn begin(&self, begin: &str) -> String {
        format!("RESET ROLE; RESET ALL; {begin}; {}; {FORGET}", self.0)
    }
}

/// Takes from a backend what outlives a transaction, inside one. Temporary tables and listening
/// end with its COMMIT; the others at once, whatever becomes of it.
pub(crate) const FORGET: &str = "SELECT pg_catalog.pg_advisory_unlock_all(); DEALLOCATE ALL; \
    CLOSE ALL; UNLISTEN *; DISCARD TEMP";

/// Ends a transaction that failed and forgets what outlives even that, in one message: after it the
/// backend is somebody else's.
pub(crate) const ROLLBACK: &str =
    "ROLLBACK; SELECT pg_catalog.pg_advisory_unlock_all(); DEALLOCATE ALL";

/// Begins a transaction by `message`. Where it fails none is left open: Diesel believes so anyway,
/// but PostgreSQL may have begun one.
pub(crate) fn begin(session: &mut Session, message: &str) -> QueryResult<()> {
    AnsiTransactionManager::begin_transaction_sql(&mut session.conn, message).inspect_err(|_| {
        if session.conn.batch_execute("ROLLBACK").is_err() {
            session.broken = true;
        }
    })
}

/// A literal that means the same whatever `standard_conforming_strings` says.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::LocalSettings;

    #[test]
    fn settings_are_quoted_and_come_before_all_that_takes_time() {
        let settings = LocalSettings::new([
            ("statement_timeout", "15s".to_owned()),
            ("search_path", r#"public, "a'\b""#.to_owned()),
        ]);
        let begin = settings.begin("BEGIN");
        assert!(
            begin.starts_with(
                "RESET ROLE; RESET ALL; BEGIN; \
                 SELECT pg_catalog.set_config('statement_timeout', E'15s', true), \
                 pg_catalog.set_config('search_path', E'public, \"a''\\\\b\"', true); \
                 SELECT pg_catalog.pg_advisory_unlock_all();"
            ),
            "{begin}"
        );
    }
}

//! Parameters, as sessions of this database begin with them.

use crate::breakage::{Breakage, assert_found_and_mended, examine};
use diesel::connection::Connection as _;
use diesel::pg::PgConnection;
use rowhouse_tests::Database;
use secrecy::ExposeSecret as _;

pub(crate) const BREAKAGES: &[Breakage] = &[
    (
        "a context for every session",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET backtrace_functions = ''x''', current_database()); END $$",
        &["setting"],
    ),
    (
        "no trigger for any session",
        "ALTER ROLE ALL SET session_replication_role = replica",
        &["setting"],
    ),
];

#[test]
fn settings_are_missed_when_a_session_would_begin_with_them() {
    assert_found_and_mended(BREAKAGES);
}

/// A server's own configuration cannot be changed in a transaction; a session's start looks the
/// same from inside.
#[test]
fn a_server_whose_sessions_begin_without_triggers_is_missed() {
    let database = Database::fresh();
    let url = database.url("postgres");
    let url = url.expose_secret();
    let separator = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{separator}options=-c%20session_replication_role%3Dreplica");
    let report = examine(&mut PgConnection::establish(&url).unwrap());
    let [finding] = report.findings() else {
        panic!("{report}");
    };
    assert_eq!(finding.code, "setting");
    assert_eq!(
        finding.remedy,
        "ALTER SYSTEM SET session_replication_role = 'origin';\nSELECT pg_reload_conf();"
    );
}

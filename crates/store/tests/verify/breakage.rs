//! One guard that somebody takes away, and what the doctor must say to it.

use std::collections::BTreeSet;

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::result::Error::RollbackTransaction;
use rowhouse_tests::Database;
use store::catalog::catalog;
use tenant_db::verify::{Catalog, Finding, Report, verify};

/// What a superuser did: in words, as SQL, and the codes that it must be reported with, sorted,
/// no others beside them.
pub(crate) type Breakage = (&'static str, &'static str, &'static [&'static str]);

/// Commits each breakage to its own transaction, where it is found, mended by what the findings
/// themselves say, and rolled back.
pub(crate) fn assert_found_and_mended(breakages: &[Breakage]) {
    assert_found_and_mended_in(&Database::fresh(), breakages);
}

/// The same in this database.
pub(crate) fn assert_found_and_mended_in(database: &Database, breakages: &[Breakage]) {
    let mut conn = database.superuser();
    for (name, sql, codes) in breakages {
        let result = conn.transaction(|conn| {
            conn.batch_execute(sql)
                .unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_breakage(conn, name, codes);
            Err::<(), _>(RollbackTransaction)
        });
        assert_eq!(result, Err(RollbackTransaction));
    }
}

fn assert_breakage(conn: &mut PgConnection, name: &str, codes: &[&str]) {
    let mut report = examine(conn);
    let found: BTreeSet<&str> = all(&report).map(|finding| finding.code).collect();
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        codes,
        "{name}:\n{report}"
    );
    // What a remedy makes anew may lack something in its turn, such as a role its rights.
    for round in 0.. {
        if !report.findings().iter().any(is_executable) {
            break;
        }
        assert!(round < 3, "{name}: not mended:\n{report}");
        for finding in report.findings().iter().filter(|f| is_executable(f)) {
            conn.batch_execute(&finding.remedy)
                .unwrap_or_else(|e| panic!("{name}: {e}: {}", finding.remedy));
        }
        report = examine(conn);
    }
}

/// Whether a remedy is more than advice.
pub(crate) fn is_executable(finding: &Finding) -> bool {
    finding.remedy.lines().any(|line| !line.starts_with("--"))
}

pub(crate) fn examine(conn: &mut PgConnection) -> Report {
    examine_with(conn, &catalog())
}

pub(crate) fn examine_with(conn: &mut PgConnection, catalog: &Catalog) -> Report {
    verify(conn, catalog).unwrap()
}

/// Findings and warnings.
pub(crate) fn all(report: &Report) -> impl Iterator<Item = &Finding> {
    report.findings().iter().chain(report.warnings())
}

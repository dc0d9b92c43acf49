//! The report as a whole: what machines read, and that every code is provoked by some test.

use std::collections::BTreeSet;

use diesel::connection::SimpleConnection as _;
use rowhouse_tests::Database;
use serde_json::json;
use tenant_db::verify::CODES;

use crate::breakage::{Breakage, examine};

pub(crate) fn breakages() -> impl Iterator<Item = &'static Breakage> {
    [
        crate::audit::BREAKAGES,
        crate::foreign_keys::BREAKAGES,
        crate::functions::BREAKAGES,
        crate::grants::BREAKAGES,
        crate::indexes::BREAKAGES,
        crate::objects::BREAKAGES,
        crate::policies::BREAKAGES,
        crate::roles::BREAKAGES,
        crate::settings::BREAKAGES,
        crate::tables::BREAKAGES,
        crate::triggers::BREAKAGES,
    ]
    .into_iter()
    .flatten()
}

#[test]
fn every_code_is_provoked_and_every_provoked_code_is_listed() {
    let provoked: BTreeSet<&str> = breakages()
        .flat_map(|(_, _, codes)| *codes)
        .copied()
        // No table of ours is declared blind: a test of tenant-db has one that is.
        .chain(["statistics_kept"])
        // Rows are compared when that is asked for.
        .chain(["copy_drifted"])
        .collect();
    let listed: BTreeSet<&str> = CODES.iter().map(|(code, _)| *code).collect();
    assert_eq!(provoked, listed);
}

#[test]
fn a_finding_is_told_to_machines_with_its_remedy() {
    let database = Database::fresh();
    let mut conn = database.superuser();
    conn.batch_execute("ALTER TABLE projects NO FORCE ROW LEVEL SECURITY")
        .unwrap();
    let report = serde_json::to_value(examine(&mut conn)).unwrap();
    let checked = report["checked"].as_object().unwrap();
    for noun in [
        "tables",
        "policies",
        "functions",
        "roles",
        "grants",
        "triggers",
        "indexes",
    ] {
        assert!(checked[noun].as_u64().unwrap() > 0, "{report}");
    }
    assert_eq!(
        report,
        json!({
            "level": "full",
            "clean": false,
            "checked": checked,
            "findings": [{
                "code": "rls_not_forced",
                "object": "public.projects",
                "message": "Row-Level Security is not forced: it does not bind the table's owner.",
                "remedy": "ALTER TABLE public.projects FORCE ROW LEVEL SECURITY;",
            }],
            "warnings": [],
            "notes": [],
        })
    );
}

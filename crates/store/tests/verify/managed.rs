//! Level managed: what is noted there, and that each guard is missed there as elsewhere.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use diesel::connection::SimpleConnection as _;
use rowhouse_tests::Database;
use store::catalog::catalog;
use tenant_db::Level;
use tenant_db::verify::{Breach, Mutant, Verdict, mutants, mutate, probe};

use crate::breakage::{Breakage, assert_found_and_mended_in, examine};
use crate::report::breakages;

#[test]
fn a_migrated_database_has_no_finding_and_notes_what_its_level_leaves_open() {
    let database = Database::managed();
    let report = examine(&mut database.superuser());
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.level(), Level::Managed);
    let text = report.to_string();
    assert!(text.starts_with("verify: clean, level managed; "), "{text}");
    assert!(
        text.contains("\nLevel managed leaves this open:\n"),
        "{text}"
    );
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["level"], "managed");
    let open: Vec<&str> = json["notes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|note| note["object"].as_str().unwrap())
        .collect();
    let [slot, owner, members, languages, functions] = open[..] else {
        panic!("{text}");
    };
    assert_eq!(
        [slot, owner, members, languages],
        [
            "tenancy.slot()",
            "rowhouse_owner",
            "cloud_admin",
            "LANGUAGE plpgsql, sql"
        ]
    );
    for function in ["lo_create", "pg_stat_get_activity", "pg_terminate_backend"] {
        assert!(functions.contains(function), "{functions}");
    }

    // What somebody mends is open no more.
    database
        .superuser()
        .batch_execute(
            "REVOKE USAGE ON LANGUAGE plpgsql, sql FROM PUBLIC;
             GRANT USAGE ON LANGUAGE plpgsql, sql TO rowhouse_owner, rowhouse_tenancy, rowhouse_directory",
        )
        .unwrap();
    let report = examine(&mut database.superuser());
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.notes().len(), open.len() - 1, "{report}");
}

/// What is open is closed as far as that is known, and the level stays.
#[test]
fn a_superuser_who_comes_later_finds_the_level_and_leaves_it() {
    let database = Database::managed();
    let mut superuser = database.superuser();
    superuser.batch_execute("BEGIN").unwrap();
    superuser.batch_execute(&store::bootstrap::sql()).unwrap();
    let report = examine(&mut superuser);
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.level(), Level::Managed);
    let open: Vec<&str> = report
        .notes()
        .iter()
        .map(|note| note.object.as_str())
        .collect();
    assert_eq!(open, ["tenancy.slot()", "rowhouse_owner", "cloud_admin"]);
}

/// Whoever owns the database, and the roles of the server, see the same.
#[test]
fn no_superuser_is_needed_to_examine_it() {
    let database = Database::managed();
    let of_superuser = examine(&mut database.superuser()).to_string();
    for role in ["cloud_admin", "rowhouse_auth", "rowhouse_app"] {
        let report = examine(&mut database.connect_as(role));
        assert_eq!(report.to_string(), of_superuser, "{role}");
    }
}

/// Breakages that are otherwise there, by name: no breakage but what is so at this level anyway, or
/// one that is found by more codes, because the database's owner is known there.
const OTHERWISE: &[(&str, Option<&[&str]>)] = &[
    ("no slot for the kernel", None),
    ("functions and DO blocks for everybody", None),
    ("large objects for everybody", None),
    ("an owner whose migrations find no row", None),
    (
        "the database of the application",
        Some(&["grant_missing", "owner", "role_membership", "role_outside"]),
    ),
    (
        "the database of a stranger",
        Some(&["owner", "role_membership", "role_outside"]),
    ),
];

#[test]
fn what_is_otherwise_there_is_broken_elsewhere() {
    for (name, _) in OTHERWISE {
        assert!(breakages().any(|breakage| breakage.0 == *name), "{name}");
    }
}

#[test]
fn tables_and_their_keys_are_missed_and_mended() {
    assert_mended(&[
        crate::foreign_keys::BREAKAGES,
        crate::indexes::BREAKAGES,
        crate::tables::BREAKAGES,
    ]);
}

#[test]
fn functions_and_triggers_are_missed_and_mended() {
    assert_mended(&[crate::functions::BREAKAGES, crate::triggers::BREAKAGES]);
}

#[test]
fn rights_are_missed_and_mended() {
    assert_mended(&[crate::grants::BREAKAGES]);
}

#[test]
fn roles_and_settings_are_missed_and_mended() {
    assert_mended(&[crate::roles::BREAKAGES, crate::settings::BREAKAGES]);
}

#[test]
fn policies_and_objects_are_missed_and_mended() {
    assert_mended(&[crate::policies::BREAKAGES, crate::objects::BREAKAGES]);
}

fn assert_mended(breakages: &[&[Breakage]]) {
    let there: Vec<Breakage> = breakages
        .iter()
        .flat_map(|breakages| breakages.iter())
        .filter_map(
            |(name, sql, codes)| match OTHERWISE.iter().find(|(other, _)| other == name) {
                None => Some((*name, *sql, *codes)),
                Some((_, codes)) => codes.map(|codes| (*name, *sql, codes)),
            },
        )
        .collect();
    assert_found_and_mended_in(&Database::managed(), &there);
}

/// Canaries of whoever owns the database; a superuser's are the same.
#[test]
fn canaries_get_no_command_through_any_tenant_table() {
    let database = Database::managed();
    for role in [database.owner(), "postgres"] {
        let probing = probe(&mut database.connect_as(role), &catalog(), |_| true).unwrap();
        assert!(probing.holds(), "{role}: {probing}");
        assert!(probing.tried() > 300, "{role}: {probing}");
    }
    // They get through what is open.
    let mut conn = database.connect_as(database.owner());
    conn.batch_execute(
        "BEGIN; ALTER POLICY tenancy_guard ON projects USING (true); ALTER POLICY tenancy_select ON projects USING (true)",
    )
    .unwrap();
    let probing = probe(&mut conn, &catalog(), |table| table == "public.projects").unwrap();
    let seen = |breach: &Breach| breach.outcome == "SAW 1 rows of the neighbour";
    assert!(probing.breaches().iter().any(seen), "{probing}");
}

/// What only a superuser can break is left out, which is not to say that it holds.
#[test]
fn the_owner_of_the_database_breaks_what_it_can_and_counts_the_rest() {
    let database = Database::managed();
    let chosen = ["tenancy.context_key", "tenancy.slot()", "SCHEMA tenancy"];
    let mut conn = database.connect_as(database.owner());
    let mut all = mutants(&mut conn, &catalog()).unwrap();
    all.retain(|it| {
        chosen.contains(&it.object.as_str())
            || it.object.starts_with("DATABASE ")
            // Of a table whose policies bind its owner: what reads it, and what rewrites its keys.
            || it.object == "public.resources"
                && KEPT.iter().any(|word| it.change.contains(word))
    });
    let go_on = |_: &Mutant, _: &Verdict| ControlFlow::Continue(());
    let by_owner = mutate(&mut conn, &catalog(), &all, go_on).unwrap();
    assert!(by_owner.is_complete(), "{by_owner}");
    assert!(by_owner.tried() > 60, "{by_owner}");
    let left_out: BTreeSet<&str> = by_owner
        .left_out()
        .iter()
        .map(|mutant| mutant.change.as_str())
        .collect();
    assert_eq!(
        left_out,
        LEFT_OUT.iter().copied().collect(),
        "{:?}",
        by_owner.left_out()
    );
    let told = format!("mutate: {} mutants left out", by_owner.left_out().len());
    assert!(by_owner.to_string().contains(&told), "{by_owner}");

    // A superuser makes these too, and they are missed.
    let rest = mutate(
        &mut database.superuser(),
        &catalog(),
        by_owner.left_out(),
        go_on,
    );
    let rest = rest.unwrap();
    assert!(rest.is_complete(), "{rest}");
    assert_eq!(rest.tried(), by_owner.left_out().len());
}

const KEPT: &[&str] = &[
    "a copy is kept",
    "a view keeps",
    "belongs to the application",
    "foreign key",
    "holds nothing",
    "triggers are off",
];

const LEFT_OUT: &[&str] = &[
    "a built-in function has a superuser's rights",
    "a cast is new",
    "a foreign table is new",
    "all of its triggers are off",
    "an event trigger is new",
    "it belongs to another role",
    "it belongs to the application",
    "it is trusted to hide nothing",
    "large objects are open",
    "passwords' hashes are open",
    "public.resources_pkey holds nothing together",
    "sessions fire no trigger",
    "sessions start in a context",
    "tenancy.context_key_pkey holds nothing together",
    "the application makes built-in functions",
    "the host's files are open",
];

/// A database of one level that has what belongs to the other.
#[test]
fn a_level_that_is_only_said_is_a_finding() {
    let database = Database::managed();
    let mut conn = database.superuser();
    conn.batch_execute("BEGIN; GRANT SET ON PARAMETER backtrace_functions TO rowhouse_tenancy")
        .unwrap();
    assert_eq!(codes(&mut conn), ["parameter_grant"]);
    conn.batch_execute(
        "ROLLBACK; BEGIN;
         CREATE OR REPLACE FUNCTION tenancy.level() RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 'full'",
    )
    .unwrap();
    let found = codes(&mut conn);
    for code in [
        "function_definition",
        "function_unknown",
        "grant_missing",
        "table_unknown",
    ] {
        assert!(found.iter().any(|found| found == code), "{found:?}");
    }

    let database = Database::fresh();
    let mut conn = database.superuser();
    conn.batch_execute(
        "BEGIN;
         CREATE OR REPLACE FUNCTION tenancy.level() RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 'managed'",
    )
    .unwrap();
    let found = codes(&mut conn);
    for code in [
        "function_definition",
        "function_missing",
        "parameter_grant",
        "table_missing",
    ] {
        assert!(found.iter().any(|found| found == code), "{found:?}");
    }
}

fn codes(conn: &mut diesel::PgConnection) -> Vec<String> {
    let report = examine(conn);
    let codes: BTreeSet<&str> = report
        .findings()
        .iter()
        .map(|finding| finding.code)
        .collect();
    codes.into_iter().map(ToOwned::to_owned).collect()
}

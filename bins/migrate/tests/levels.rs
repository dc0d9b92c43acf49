//! `rowhouse-migrate` as the owner of a database runs it where nobody is a superuser.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::process::Command;

use diesel::connection::SimpleConnection as _;
use rowhouse_tests::Database;
use secrecy::ExposeSecret as _;

/// Exit code, and what was printed on either stream.
fn migrate(database: &Database, role: &str, arguments: &[&str]) -> (i32, String) {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rowhouse-migrate"));
    // The cluster is one for all tests, and so are its roles: each home has the same passwords.
    command.env_clear();
    for role in ["APP", "AUTH", "OPS"] {
        command.env(
            format!("ROWHOUSE__DATABASE__{role}_PASSWORD"),
            "of the tests",
        );
    }
    let output = command
        .env("ROWHOUSE_ENV", "test")
        .env("ROWHOUSE_HOME", home.path())
        .env("DATABASE_URL", database.url(role).expose_secret())
        .current_dir(home.path())
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    // Whoever ran tests before these may have used others.
    let kept = |line: &&str| !line.contains("has a new password");
    let text: String = text.split_inclusive('\n').filter(kept).collect();
    (output.status.code().unwrap(), text)
}

#[test]
fn each_command_says_the_level_and_works_there() {
    for (database, level) in [
        (Database::fresh(), "full"),
        (Database::managed(), "managed"),
    ] {
        let run = |arguments: &[&str]| migrate(&database, database.owner(), arguments);
        let said = format!("level {level}\n");
        assert_eq!(run(&["bootstrap"]), (0, said.clone()));
        let nothing = format!("{said}nothing to do: all migrations have run\n");
        assert_eq!(run(&["up"]), (0, nothing));
        let (code, redone) = run(&["redo"]);
        assert_eq!(code, 0, "{redone}");
        assert!(redone.starts_with("down "), "{redone}");
        assert!(redone.contains(&format!("\n{said}up ")), "{redone}");
        let (code, report) = run(&["verify"]);
        assert_eq!(code, 0, "{report}");
        // No row to compare yet.
        assert_eq!(run(&["verify", "--rows"]), (0, report.clone()));
        let first = format!("verify: clean, level {level}; ");
        assert!(report.starts_with(&first), "{report}");
        let (code, report) = run(&["verify", "--json"]);
        assert_eq!(code, 0, "{report}");
        assert!(
            report.contains(&format!("\"level\": \"{level}\"")),
            "{report}"
        );
    }
}

#[test]
fn who_cannot_do_it_is_told_who_can() {
    let database = Database::managed();
    let (code, text) = migrate(&database, "rowhouse_ops", &["up"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("rowhouse_ops may not make roles"), "{text}");
}

#[test]
fn a_copy_that_drifted_is_a_finding_when_rows_are_asked_for() {
    for database in [Database::fresh(), Database::managed()] {
        let run = |arguments: &[&str]| migrate(&database, database.owner(), arguments);
        database
            .superuser()
            .batch_execute("INSERT INTO tenancy.tenant VALUES (gen_random_uuid(), 'active')")
            .unwrap();
        let (code, report) = run(&["verify"]);
        assert_eq!(code, 0, "{report}");
        assert!(!report.contains("copied rows"), "{report}");
        let (code, report) = run(&["verify", "--rows"]);
        assert_eq!(code, 1, "{report}");
        assert!(report.contains("copy_drifted"), "{report}");
        assert!(report.contains("1 copied rows"), "{report}");
        let (code, report) = run(&["verify", "--rows", "--json"]);
        assert_eq!(code, 1, "{report}");
        assert!(report.contains("\"code\": \"copy_drifted\""), "{report}");
    }
}

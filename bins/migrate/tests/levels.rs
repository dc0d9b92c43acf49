//! `rowhouse-migrate` as the owner of a database runs it where nobody is a superuser.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::process::Command;

use rowhouse_tests::Database;
use secrecy::ExposeSecret as _;

/// Exit code, and what was printed on either stream.
fn migrate(database: &Database, role: &str, arguments: &[&str]) -> (i32, String) {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_rowhouse-migrate"))
        .env_clear()
        .env("ROWHOUSE_ENV", "test")
        .env("ROWHOUSE_HOME", home.path())
        .env("DATABASE_URL", database.url(role).expose_secret())
        .current_dir(home.path())
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
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

    let asked = [
        "--tenant",
        "acme",
        "--actor",
        "a@acme.example",
        "--table",
        "projects",
        "--id",
        "1",
    ];
    let arguments: Vec<&str> = ["explain-access"].into_iter().chain(asked).collect();
    let (code, text) = migrate(&database, database.owner(), &arguments);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("explain-access needs a superuser"), "{text}");
    let (code, text) = migrate(&database, database.owner(), &["verify", "--mutate"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("level full only"), "{text}");
    // A superuser of that same cluster goes on to look for the tenant.
    let (code, text) = migrate(&database, "postgres", &arguments);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("there is no such tenant"), "{text}");
}

//! Which of several installed versions is used, seen with programs that only say their version.

use embedded_postgres::{Error, Programs};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Written by another process: a file that this one has open for writing while a test beside it forks cannot be run.
fn install(bindir: &Path, version: &str) -> PathBuf {
    let script = r#"mkdir -p "$0" && cd "$0" && for name in initdb pg_ctl postgres; do
        printf '#!/bin/sh\necho "%s (PostgreSQL) %s"\n' "$name" "$1" > $name && chmod 755 $name; done"#;
    assert!(
        Command::new("sh")
            .args(["-c", script])
            .arg(bindir)
            .arg(version)
            .status()
            .unwrap()
            .success()
    );
    bindir.canonicalize().unwrap()
}

#[test]
fn the_highest_major_of_all_places_wins() {
    let root = tempfile::tempdir().unwrap();
    let at = |place: &str, version| install(&root.path().join(place), version);
    let on_path = at("home/me/bin", "16.4");
    at(
        "usr/lib/postgresql/15/bin",
        "15.18 (Debian 15.18-0+deb12u1)",
    );
    at("usr/lib/postgresql/9.6/bin", "9.6.24");
    let red_hat = at("usr/pgsql-17/bin", "17.1");
    let find = |path: &Path| Programs::find_in(None, Some(path.as_os_str()), root.path()).unwrap();
    assert_eq!(
        (find(&on_path).bindir(), find(&on_path).major()),
        (red_hat.as_path(), 17)
    );
    assert_eq!(find(&on_path).pg_ctl(), red_hat.join("pg_ctl"));

    let homebrew = at("opt/homebrew/opt/postgresql@18/bin", "18beta1");
    assert_eq!(find(&on_path).bindir(), homebrew);
    let app = at("Applications/Postgres.app/Contents/Versions/19/bin", "19.0");
    assert_eq!(find(&on_path).bindir(), app);
    let on_path = at("home/me/newest", "20.0");
    assert_eq!(find(&on_path).bindir(), on_path);
    let equal = at("usr/local/opt/postgresql@20/bin", "20.0");
    assert_eq!(
        find(&on_path).bindir(),
        on_path,
        "PATH goes before {}",
        equal.display()
    );
}

#[test]
fn majors_below_15_and_incomplete_folders_do_not_count() {
    let root = tempfile::tempdir().unwrap();
    install(&root.path().join("usr/lib/postgresql/14/bin"), "14.9");
    let incomplete = install(&root.path().join("usr/lib/postgresql/17/bin"), "17.0");
    std::fs::remove_file(incomplete.join("initdb")).unwrap();
    let error = Programs::find_in(None, None, root.path()).unwrap_err();
    assert!(matches!(error, Error::ProgramsNotFound), "{error:?}");
}

#[test]
fn the_message_of_a_missing_postgresql_has_the_three_lines_that_mend_it() {
    let nowhere = tempfile::tempdir().unwrap();
    let message = Programs::find_in(None, Some(OsStr::new("")), nowhere.path())
        .unwrap_err()
        .to_string();
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines.len(), 4, "{message}");
    assert!(
        lines[0].starts_with("PostgreSQL 15 or later is needed"),
        "{message}"
    );
    assert!(
        lines[1].ends_with("sudo apt-get install -y postgresql"),
        "{message}"
    );
    assert!(
        lines[2].ends_with("brew install postgresql@17"),
        "{message}"
    );
    assert!(
        lines[3].ends_with("export ROWHOUSE_PG_BINDIR=/path/to/bin"),
        "{message}"
    );
}

#[test]
fn a_named_folder_is_the_only_one_looked_at() {
    let root = tempfile::tempdir().unwrap();
    install(&root.path().join("usr/lib/postgresql/17/bin"), "17.0");
    let find = |bindir: &Path| Programs::find_in(Some(bindir.as_os_str()), None, root.path());
    let named = install(&root.path().join("mine"), "15.2");
    assert_eq!(find(&named).unwrap().major(), 15);

    std::fs::remove_file(named.join("initdb")).unwrap();
    std::fs::remove_file(named.join("pg_ctl")).unwrap();
    let message = find(&named).unwrap_err().to_string();
    assert_eq!(
        message,
        format!(
            "ROWHOUSE_PG_BINDIR is {}, but initdb, pg_ctl is not in it",
            named.display()
        )
    );
    let old = install(&root.path().join("old"), "14.1");
    let message = find(&old).unwrap_err().to_string();
    assert!(
        message.ends_with("but it holds PostgreSQL 14; 15 or later is needed"),
        "{message}"
    );
}

#[test]
fn the_programs_of_this_machine_are_found() {
    let programs = Programs::find().unwrap();
    assert!(programs.major() >= 15 && programs.initdb().is_file() && programs.postgres().is_file());
}

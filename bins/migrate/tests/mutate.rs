//! `rowhouse-migrate verify --mutate` as an administrator types it.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rowhouse_tests::Database;
use secrecy::ExposeSecret as _;

fn command(database: &Database, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rowhouse-migrate"));
    command
        .env("ROWHOUSE_ENV", "test")
        .env(
            "ROWHOUSE_HOME",
            std::env::temp_dir().join("rowhouse-mutate"),
        )
        .env(
            "DATABASE_URL",
            database.url(database.owner()).expose_secret(),
        )
        .current_dir(std::env::temp_dir())
        .args(["verify", "--mutate"])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Exit code, and what was printed on either stream.
fn mutate(database: &Database, arguments: &[&str]) -> (i32, String) {
    let output = command(database, arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(text).unwrap(),
    )
}

/// Whether there is a database of the name that was printed.
fn is_there(database: &Database, told: &str) -> bool {
    let name = told
        .lines()
        .find_map(|line| line.strip_prefix("copied to "))
        .unwrap();
    assert!(name.starts_with("rowhouse_scratch_"), "{told}");
    let query = format!("SELECT FROM pg_database WHERE datname = '{name}'");
    let found = diesel::sql_query(query).execute(&mut database.superuser());
    found.unwrap() == 1
}

#[test]
fn every_guard_of_a_table_is_noticed_in_a_copy_that_is_gone_afterwards() {
    let database = Database::fresh();
    let (code, told) = mutate(
        &database,
        &["--table", "schedule", "--table", "public.roles"],
    );
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("mutants killed, 100.0 %"), "{told}");
    assert!(told.contains("commands held, through 1 tables"), "{told}");
    assert!(!is_there(&database, &told), "{told}");
}

#[test]
fn the_owner_of_a_managed_database_does_it_too_and_is_told_what_was_left_out() {
    let database = Database::managed();
    let (code, told) = mutate(&database, &["--table", "schedule", "--table", "roles"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("level managed"), "{told}");
    assert!(told.contains("mutants killed, 100.0 %"), "{told}");
    assert!(
        told.contains("mutants left out, which only a superuser can make"),
        "{told}"
    );
    assert!(told.contains("commands held, through 1 tables"), "{told}");
    assert!(!is_there(&database, &told), "{told}");
}

#[test]
fn what_was_changed_by_hand_is_a_finding_before_anything_is_broken() {
    let database = Database::fresh();
    let by_hand = "ALTER TABLE projects NO FORCE ROW LEVEL SECURITY";
    database.superuser().batch_execute(by_hand).unwrap();
    let (code, told) = mutate(&database, &["--table", "projects"]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("rls_not_forced"), "{told}");
    assert!(!told.contains("copied to"), "{told}");
}

#[test]
fn a_table_that_is_not_there_could_not_be_tried_and_the_copy_is_gone() {
    let database = Database::fresh();
    let (code, told) = mutate(&database, &["--table", "nowhere"]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("there is no table nowhere"), "{told}");
    assert!(!is_there(&database, &told), "{told}");
    let mut command = command(&database, &[]);
    command
        .env("ROWHOUSE_PG_BINDIR", "/nowhere")
        .env("PATH", "/nowhere");
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("/nowhere"), "{told}");
}

#[test]
fn an_interrupt_drops_the_copy() {
    let database = Database::fresh();
    let mut child = command(&database, &[]).spawn().unwrap();
    let mut told = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    while !told.contains("copied to ") {
        assert!(output.read_line(&mut told).unwrap() > 0, "{told}");
    }
    assert!(is_there(&database, &told), "{told}");
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    kill(pid, Signal::SIGINT).unwrap();
    output.read_to_string(&mut told).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2), "{told}");
    assert!(!is_there(&database, &told), "{told}");
}

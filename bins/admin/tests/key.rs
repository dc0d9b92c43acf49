//! `rowhouse-admin key` as an administrator types it.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use diesel::connection::SimpleConnection as _;
use rowhouse_tests::{Database, TestApp};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tempfile::TempDir;

/// The seal key of the tests' databases, as files have it.
const SEAL_KEY: &str = "test:a seal key of thirty-two bytes!!";

/// A home with a file of keys, and the database that they are for.
struct Keys<'a> {
    home: TempDir,
    database: &'a Database,
    role: &'static str,
}

impl<'a> Keys<'a> {
    fn of(database: &'a Database) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("seal.keys"), SEAL_KEY).unwrap();
        Self {
            home,
            database,
            role: database.owner(),
        }
    }

    fn file(&self) -> PathBuf {
        self.home.path().join("seal.keys")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    /// The names of the keys in the file.
    fn kids(&self) -> Vec<String> {
        let text = self.text();
        let kid = |line: &str| line.split(':').next().unwrap().to_owned();
        text.lines().map(kid).collect()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rowhouse-admin"));
        command
            .env_clear()
            .env("ROWHOUSE_ENV", "test")
            .env("ROWHOUSE_HOME", self.home.path())
            .env("DATABASE_URL", self.database.url(self.role).expose_secret())
            .env("ROWHOUSE__SEAL__KEY_FILE", self.file())
            .current_dir(self.home.path())
            .arg("key")
            .args(arguments);
        command
    }

    /// Exit code, and what was printed on either stream: never a secret.
    fn run(&self, arguments: &[&str]) -> (i32, String) {
        self.ran(&mut self.command(arguments))
    }

    fn ran(&self, command: &mut Command) -> (i32, String) {
        let before = self.text();
        let output = command.output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        for line in before.lines().chain(self.text().lines()) {
            let (_, secret) = line.split_once(':').unwrap();
            assert!(!text.contains(secret), "{text}");
        }
        (output.status.code().unwrap(), text)
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        let (code, text) = self.run(&arguments);
        assert_eq!(code, 0, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    #[track_caller]
    fn refused(&self, code: i32, arguments: &[&str], why: &str) {
        let kids = self.kids();
        let (found, text) = self.run(arguments);
        assert_eq!(found, code, "{text}");
        assert!(text.contains(why), "{text}");
        assert_eq!(self.kids(), kids);
    }

    /// Each key's name, what it is here, and whether it is accepted.
    fn listed(&self) -> Vec<(String, String, bool)> {
        let all = self.done(&["list"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let listed = all.as_array().unwrap().iter().map(|key| {
            let accepted = key["accepted"].as_bool().unwrap();
            (text(&key["kid"]), text(&key["here"]), accepted)
        });
        listed.collect()
    }
}

fn listed(kid: &str, here: &str, accepted: bool) -> (String, String, bool) {
    (kid.to_owned(), here.to_owned(), accepted)
}

#[tokio::test]
async fn a_key_is_rotated_and_the_former_one_retired_while_servers_serve() {
    for app in [TestApp::start().await, TestApp::start_managed().await] {
        let keys = Keys::of(app.database());
        let alice = app.register("alice@acme.example", "acme-corp").await;
        assert_eq!(keys.listed(), [listed("test", "signs", true)]);
        keys.refused(
            1,
            &["retire", "test"],
            "servers of this home seal with test",
        );

        let made = keys.done(&["rotate"]);
        let kid = made["kid"].as_str().unwrap();
        assert_eq!(keys.kids(), [kid, "test"]);
        assert_eq!(
            made["file"],
            keys.file().canonicalize().unwrap().to_str().unwrap()
        );
        assert_eq!(
            keys.listed(),
            [listed("test", "kept", true), listed(kid, "signs", true)]
        );
        // A server that has not been restarted goes on under the key that it has.
        drop(alice.get("/api/v1/projects").await.expect(200));
        keys.refused(1, &["retire", kid], "`rowhouse-admin key rotate` first");
        keys.refused(2, &["retire", "nobody"], "there is no seal key nobody");

        let retired = keys.done(&["retire", "test"]);
        assert_eq!(retired[0]["accepted"], false);
        assert_eq!(retired[0]["retired_by"], app.database().owner());
        assert_eq!(keys.kids(), [kid]);
        assert_eq!(
            keys.listed(),
            [listed("test", "", false), listed(kid, "signs", true)]
        );
        drop(app.stranger().get("/health/ready").await.expect(503));
        // Too early: it is given another hour.
        let again = keys.done(&["retire", "test", "--minutes", "60"]);
        assert_eq!(again[0]["accepted"], true);
        drop(alice.get("/api/v1/projects").await.expect(200));
    }
}

#[test]
fn what_cannot_be_rotated_says_what_to_do() {
    let database = Database::fresh();
    let mut keys = Keys::of(&database);
    let mut configured = keys.command(&["rotate"]);
    configured
        .env_remove("ROWHOUSE__SEAL__KEY_FILE")
        .env("ROWHOUSE__SEAL__KEYS", SEAL_KEY);
    let (code, text) = keys.ran(&mut configured);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("let seal.key_file name a file"), "{text}");

    keys.refused(2, &["retire"], "<KID>");
    keys.refused(2, &["retire", "test", "--minutes=-1"], "--minutes");
    fs::write(keys.file(), "test:short").unwrap();
    keys.refused(2, &["rotate"], "a seal key has at least 32 bytes");
    fs::write(keys.file(), "k:0123456789abcdef0123456789abcdef").unwrap();
    // The only one that is accepted, though this home has another one.
    keys.refused(
        1,
        &["retire", "test"],
        "test is the last one without an end",
    );

    // Who administers tenants has no say in keys.
    keys.role = "rowhouse_ops";
    for arguments in [&["list"][..], &["rotate"], &["retire", "test"]] {
        keys.refused(2, arguments, "permission denied");
    }
    keys.role = "postgres";
    let never = "DROP TABLE __diesel_schema_migrations";
    database.superuser().batch_execute(never).unwrap();
    keys.refused(2, &["list"], "run `rowhouse-migrate up` first");
}

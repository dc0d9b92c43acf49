//! `rowhouse-migrate` from more than one home, on a cluster of the test's own: roles and their
//! passwords are the cluster's.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use embedded_postgres::{Cluster, Options, Programs};
use tempfile::TempDir;

/// PostgreSQL that asks the roles of ours for their passwords.
struct Installation {
    home: TempDir,
    cluster: Option<Cluster>,
}

impl Installation {
    fn start() -> Self {
        let home = open_folder();
        let options = Options::new(home.path(), Programs::find().unwrap());
        let cluster = Cluster::start(options).unwrap();
        let rules = cluster.data_dir().join("pg_hba.conf");
        let ours = "local all rowhouse_app,rowhouse_auth,rowhouse_ops scram-sha-256\n";
        let trusted = fs::read_to_string(&rules).unwrap();
        fs::write(&rules, format!("{ours}{trusted}")).unwrap();
        let this = Self {
            home,
            cluster: Some(cluster),
        };
        this.execute("postgres", "SELECT pg_reload_conf()");
        this
    }

    fn url(&self, role: &str, password: Option<&str>, database: &str) -> String {
        let cluster = self.cluster.as_ref().unwrap();
        cluster.url_for(role, password, database)
    }

    fn execute(&self, database: &str, sql: &str) {
        let url = self.url("postgres", None, database);
        let mut superuser = PgConnection::establish(&url).unwrap();
        superuser.batch_execute(sql).unwrap();
    }

    /// Whether a server with this home's credentials is let in.
    fn lets_in(&self, home: &Path) -> bool {
        let text = fs::read_to_string(home.join("credentials.toml")).unwrap();
        ["app", "auth", "ops"].iter().all(|role| {
            let start = format!("{role}_password = \"");
            let line = text.lines().find_map(|line| line.strip_prefix(&start));
            self.signs_in(role, line.unwrap().trim_end_matches('"'))
        })
    }

    fn signs_in(&self, role: &str, password: &str) -> bool {
        let url = self.url(&format!("rowhouse_{role}"), Some(password), "one");
        PgConnection::establish(&url).is_ok()
    }

    /// The command of `role` on `database`, from this home.
    fn command(&self, home: &Path, role: &str, database: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rowhouse-migrate"));
        command
            .env_clear()
            .env("ROWHOUSE_ENV", "test")
            .env("ROWHOUSE_HOME", home)
            .env("DATABASE_URL", self.url(role, None, database))
            .current_dir(home)
            .args(arguments);
        command
    }

    fn up(&self, home: &Path, role: &str, database: &str) -> (i32, String) {
        ran(&mut self.command(home, role, database, &["up"]))
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if let Some(cluster) = self.cluster.take() {
            cluster.leave_running();
        }
        let stopped = Cluster::stop_running(self.home.path(), &Programs::find().unwrap());
        assert!(stopped.is_ok() || std::thread::panicking(), "{stopped:?}");
    }
}

/// One that `postgres` can pass through.
fn open_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
    folder
}

/// Exit code, and what was printed on either stream.
fn ran(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), text)
}

/// All that a second home may and may not do to the first one's roles, as this owner of both
/// databases.
fn share_roles(installation: &Installation, role: &str) {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, second) = (first.path(), second.path());
    let (code, text) = installation.up(first, role, "one");
    assert_eq!(code, 0, "{text}");
    assert!(!text.contains("new password"), "{text}");
    assert!(installation.lets_in(first));
    // From the same home nothing is new.
    let (code, text) = installation.up(first, role, "one");
    assert_eq!(code, 0, "{text}");
    assert!(!text.contains("new password"), "{text}");

    for database in ["one", "two"] {
        let (code, text) = installation.up(second, role, database);
        assert_eq!(code, 2, "{text}");
        assert!(
            text.contains("rowhouse_app has a password already"),
            "{text}"
        );
        assert!(text.contains("set database.app_password"), "{text}");
        assert!(installation.lets_in(first));
        assert!(!installation.lets_in(second));
    }
    // What an administrator asks for is done, and said.
    let mut configured = installation.command(second, role, "one", &["up"]);
    configured.env(
        "ROWHOUSE__DATABASE__OPS_PASSWORD",
        "a password of the admin's",
    );
    let (code, text) = ran(&mut configured);
    assert_eq!(code, 2, "all or none: {text}");
    assert!(installation.lets_in(first));
    let mut configured = installation.command(first, role, "one", &["up"]);
    configured.env(
        "ROWHOUSE__DATABASE__OPS_PASSWORD",
        "a password of the admin's",
    );
    let (code, text) = ran(&mut configured);
    assert_eq!(code, 0, "{text}");
    let said = text.matches("has a new password").count();
    assert_eq!(said, 1, "{text}");
    assert!(text.contains("rowhouse_ops has a new password"), "{text}");
    assert!(installation.signs_in("ops", "a password of the admin's"));
    let (code, text) = ran(&mut configured);
    assert_eq!((code, text.contains("new password")), (0, false), "{text}");

    // The other home's file is as good as the first one's, for another database too.
    let mut back = installation.command(first, role, "one", &["up"]);
    let (code, text) = ran(&mut back);
    assert_eq!(code, 2, "{text}");
    assert!(
        text.contains("rowhouse_ops has a password already"),
        "{text}"
    );
    let file = "credentials.toml";
    fs::copy(first.join(file), second.join(file)).unwrap();
    let mut shared = installation.command(second, role, "two", &["up"]);
    shared.env(
        "ROWHOUSE__DATABASE__OPS_PASSWORD",
        "a password of the admin's",
    );
    let (code, text) = ran(&mut shared);
    assert_eq!((code, text.contains("new password")), (0, false), "{text}");
}

#[test]
fn a_generated_password_replaces_none() {
    let installation = Installation::start();
    installation.execute("postgres", "CREATE DATABASE one");
    installation.execute("postgres", "CREATE DATABASE two");
    share_roles(&installation, "postgres");
    // A role without a password is given one.
    installation.execute("one", "ALTER ROLE rowhouse_app PASSWORD NULL");
    installation.execute("one", "ALTER ROLE rowhouse_auth PASSWORD NULL");
    installation.execute("one", "ALTER ROLE rowhouse_ops PASSWORD NULL");
    let home = tempfile::tempdir().unwrap();
    let (code, text) = installation.up(home.path(), "postgres", "one");
    assert_eq!(code, 0, "{text}");
    assert!(installation.lets_in(home.path()));
    // As one that was kept by md5 is known again.
    installation.execute(
        "one",
        "SET password_encryption = 'md5'; ALTER ROLE rowhouse_ops PASSWORD 'known'",
    );
    let mut configured = installation.command(home.path(), "postgres", "one", &["up"]);
    let (code, text) = ran(configured.env("ROWHOUSE__DATABASE__OPS_PASSWORD", "known"));
    assert_eq!((code, text.contains("new password")), (0, false), "{text}");
}

#[test]
fn a_generated_password_replaces_none_where_nobody_is_a_superuser() {
    let installation = Installation::start();
    installation.execute("postgres", "CREATE ROLE cloud_admin LOGIN CREATEROLE");
    installation.execute("postgres", "CREATE DATABASE one OWNER cloud_admin");
    installation.execute("postgres", "CREATE DATABASE two OWNER cloud_admin");
    share_roles(&installation, "cloud_admin");
}

#[test]
fn level_managed_is_not_to_be_had_where_a_superuser_made_the_roles() {
    let installation = Installation::start();
    installation.execute("postgres", "CREATE ROLE cloud_admin LOGIN CREATEROLE");
    installation.execute("postgres", "CREATE DATABASE one OWNER cloud_admin");
    installation.execute("postgres", "CREATE DATABASE two OWNER cloud_admin");
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let (code, text) = installation.up(home, "postgres", "one");
    assert_eq!(code, 0, "{text}");
    let said = "a superuser made the roles of this cluster, and cloud_admin is none: \
                let a superuser run the bootstrap";
    // Where a superuser has been, who is none has no language to begin with.
    for (database, said) in [("two", said), ("one", "permission denied for language")] {
        for command in ["up", "bootstrap"] {
            let mut command = installation.command(home, "cloud_admin", database, &[command]);
            let (code, text) = ran(&mut command);
            assert_eq!(code, 2, "{text}");
            assert!(text.contains(said), "{text}");
        }
    }
    let mut verify = installation.command(home, "postgres", "one", &["verify"]);
    let (code, text) = ran(&mut verify);
    assert_eq!(code, 0, "{text}");
    let members = "SELECT FROM pg_auth_members
        WHERE member = 'cloud_admin'::regrole AND roleid::regrole::text LIKE 'rowhouse%'";
    let url = installation.url("postgres", None, "one");
    let mut superuser = PgConnection::establish(&url).unwrap();
    assert_eq!(diesel::sql_query(members).execute(&mut superuser), Ok(0));
}

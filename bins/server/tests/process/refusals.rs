//! What the server does not start with: exit code 2, and one line that says why.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use nix::unistd::Uid;
use rowhouse_tests::Database;
use secrecy::ExposeSecret as _;
use tenant_db::diesel::connection::SimpleConnection as _;

use crate::servers::{Home, Process, Server, command, eventually};

/// A key as `openssl rand -hex 32` makes it.
const SECRET_KEY: &str = "5f1c0b6e3f0d4c1c9a6a1f0b8f6f2d7a5f1c0b6e3f0d4c1c9a6a1f0b8f6f2d7a";

/// The seal key of the tests' databases, as the settings write it.
const SEAL_KEY: &str = "test:a seal key of thirty-two bytes!!";

/// All that it printed to standard error, its log left out.
#[track_caller]
pub(crate) fn refused(command: &mut Command) -> String {
    let mut process = Process::start(command.env("RUST_LOG", "off"));
    let status = eventually("the server ends", || {
        assert_eq!(process.address(), None, "it was not refused");
        process.ended()
    });
    assert_eq!(status.code(), Some(2));
    assert_eq!(process.printed(), "");
    process.log()
}

#[track_caller]
pub(crate) fn assert_one_line(printed: &str, expected: &str) {
    assert_eq!(printed.lines().count(), 1, "{printed}");
    let line = printed
        .strip_prefix("rowhouse-server: ")
        .unwrap_or_else(|| panic!("{printed}"));
    assert!(line.contains(expected), "{line}");
}

/// A server in production that lacks nothing; its database is not there.
fn production(folder: &tempfile::TempDir) -> Command {
    let mut command = command();
    command
        .current_dir(folder.path())
        .env("ROWHOUSE_HOME", folder.path())
        .env("ROWHOUSE_ENV", "production")
        .env("PORT", "0")
        .env("ROWHOUSE__SERVER__BIND", "127.0.0.1")
        .env("SECRET_KEY", SECRET_KEY)
        .env("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing");
    command
}

#[test]
fn a_busy_port_is_one_line() {
    let home = Home::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let printed = refused(home.command().env("PORT", address.port().to_string()));
    assert_one_line(
        &printed,
        &format!("cannot listen on {address}; another port is set by PORT"),
    );
    // It is told before anything is made.
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn an_explicit_home_that_postgres_cannot_reach_is_one_line() {
    if !Uid::effective().is_root() {
        return;
    }
    let closed = tempfile::tempdir().unwrap();
    fs::set_permissions(closed.path(), Permissions::from_mode(0o700)).unwrap();
    let printed = refused(
        command()
            .env("ROWHOUSE_ENV", "test")
            .env("ROWHOUSE_HOME", closed.path().join("home")),
    );
    let folder = closed.path().display();
    assert_one_line(
        &printed,
        &format!("the OS user `postgres` cannot enter {folder}: open it"),
    );
    assert!(!closed.path().join("home").exists());
}

#[test]
fn missing_programs_of_postgresql_come_with_what_mends_it() {
    let home = Home::new();
    let printed = refused(home.command().env("ROWHOUSE_PG_BINDIR", "/nowhere"));
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines.len() > 3, "{printed}");
    assert!(
        lines[0].contains("ROWHOUSE_PG_BINDIR is /nowhere"),
        "{printed}"
    );
    for (line, mends) in lines[lines.len() - 3..].iter().zip([
        "apt-get install -y postgresql",
        "brew install postgresql",
        "export ROWHOUSE_PG_BINDIR=",
    ]) {
        assert!(line.contains(mends), "{printed}");
    }
}

#[test]
fn a_limit_of_zero_and_a_redis_that_is_none_are_one_line() {
    let none = "ROWHOUSE__TIERS__FREE__RATE_LIMIT_BURST";
    let printed = refused(command().env("ROWHOUSE_ENV", "test").env(none, "0"));
    assert_one_line(&printed, none);
    let printed = refused(
        command()
            .env("ROWHOUSE_ENV", "test")
            .env("ROWHOUSE__REDIS__ON_FAILURE", "panic"),
    );
    assert_one_line(&printed, "ROWHOUSE__REDIS__ON_FAILURE");
    let home = Home::new();
    let printed = refused(
        home.command()
            .env("ROWHOUSE__RATE_LIMIT__ENABLED", "true")
            .env("REDIS_URL", "http://user:secret@127.0.0.1"),
    );
    assert_one_line(&printed, "redis.url is not the address of a Redis");
    assert!(!printed.contains("secret"), "{printed}");
}

#[test]
fn an_unknown_environment_is_one_line() {
    let printed = refused(command().env("ROWHOUSE_ENV", "prod"));
    assert_one_line(&printed, "prod");
}

#[test]
fn production_refuses_what_is_fine_on_a_developer_s_machine() {
    let folder = tempfile::tempdir().unwrap();
    let printed = refused(production(&folder).env_remove("DATABASE_URL"));
    assert_one_line(
        &printed,
        "production needs a database of its own: set DATABASE_URL",
    );

    let printed = refused(production(&folder).env_remove("SECRET_KEY"));
    assert_one_line(&printed, "production needs a SECRET_KEY");
    let printed = refused(production(&folder).env("SECRET_KEY", ""));
    assert_one_line(&printed, "production needs a SECRET_KEY");
    let printed = refused(production(&folder).env("SECRET_KEY", SECRET_KEY.split_at(31).0));
    assert_one_line(
        &printed,
        "the SECRET_KEY is too short for production: at least 32 bytes",
    );
    for example in [
        "your-secret-key-here-make-it-long-and-random",
        "CHANGE-ME-CHANGE-ME-CHANGE-ME-CHANGE-ME",
        "super-secret-key-super-secret-key",
    ] {
        let printed = refused(production(&folder).env("SECRET_KEY", example));
        assert_one_line(&printed, "the SECRET_KEY is one of an example");
        assert!(!printed.contains(example), "{printed}");
    }

    let weak = refused(production(&folder).env("ROWHOUSE__AUTH__PREVIOUS_SECRET_KEYS", "hunter2"));
    assert_one_line(&weak, "the SECRET_KEY is too short for production");
    assert!(!weak.contains("hunter2"), "{weak}");

    let printed = refused(production(&folder).env("DEBUG", "true"));
    assert_one_line(&printed, "DEBUG must be off in production");
    let printed = refused(production(&folder).env("ROWHOUSE__DEBUG", "true"));
    assert_one_line(&printed, "DEBUG must be off in production");

    for origins in ["*", "https://app.example,*"] {
        let printed = refused(production(&folder).env("ROWHOUSE__CORS__ALLOWED_ORIGINS", origins));
        assert_one_line(
            &printed,
            "cors.allowed_origins must name each origin in production",
        );
    }
}

#[test]
fn a_setting_of_the_edge_that_makes_no_sense_is_one_line() {
    let home = Home::new();
    for (setting, value, line) in [
        (
            "CORS__ALLOWED_ORIGINS",
            "shop.example",
            "`cors.allowed_origins[0]` from ROWHOUSE__CORS__ALLOWED_ORIGINS is invalid: must be an",
        ),
        (
            "CORS__ALLOWED_ORIGINS",
            "https://a.example,https://b.example/",
            "`cors.allowed_origins[1]` from ROWHOUSE__CORS__ALLOWED_ORIGINS is invalid: must be an",
        ),
        (
            "SERVER__TRUSTED_HOSTS",
            "https://a.example",
            "`server.trusted_hosts[0]` from ROWHOUSE__SERVER__TRUSTED_HOSTS is invalid: must be a",
        ),
        (
            "SERVER__REQUIRE_HTTPS",
            "true",
            "server.require_https needs server.trusted_proxies",
        ),
        ("SERVER__REQUEST_TIMEOUT_SECONDS", "0", "nonzero"),
    ] {
        let printed = refused(home.command().env(format!("ROWHOUSE__{setting}"), value));
        assert_one_line(&printed, line);
    }
}

#[test]
fn a_signing_key_that_is_none_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let eddsa = || {
        let mut command = production(&folder);
        command.env("ROWHOUSE__AUTH__ALGORITHM", "EdDSA");
        command
    };
    assert_one_line(&refused(&mut eddsa()), "no signing key for access tokens");
    let file = folder.path().join("key.pem");
    let with_file = || refused(eddsa().env("ROWHOUSE__AUTH__SIGNING_KEYS", &file));
    let missing = format!("cannot read the signing key {}", file.display());
    assert_one_line(&with_file(), &missing);
    fs::write(&file, "hunter2").unwrap();
    let printed = with_file();
    assert_one_line(&printed, "a signing key is no Ed25519 private key");
    assert!(!printed.contains("hunter2"), "{printed}");

    let other = refused(production(&folder).env("ROWHOUSE__AUTH__ALGORITHM", "none"));
    assert!(other.contains("auth.algorithm"), "{other}");
}

#[test]
fn a_database_that_cannot_be_reached_is_one_line_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let url = "postgresql://me:hunter2@127.0.0.1:1/nothing";
    let printed = refused(production(&folder).env("DATABASE_URL", url));
    assert_one_line(&printed, "the database cannot be reached");
    assert!(!printed.contains("hunter2"), "{printed}");
}

/// A server in production on this database, whose roles need no password there.
pub(crate) fn production_on(folder: &tempfile::TempDir, database: &Database, app: &str) -> Command {
    let mut command = production(folder);
    command.env("ROWHOUSE__SEAL__KEYS", SEAL_KEY);
    for (key, role) in [
        ("ROWHOUSE__DATABASE__APP_URL", app),
        ("ROWHOUSE__DATABASE__AUTH_URL", "rowhouse_auth"),
    ] {
        command.env(key, database.url(role).expose_secret());
    }
    command.env_remove("DATABASE_URL");
    command
}

#[test]
fn production_with_all_that_it_needs_serves_without_a_banner() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::fresh();
    let server = Server::start(&mut production_on(&folder, &database, "rowhouse_app"));
    assert_eq!(server.banner(), "");
    for line in server.log().lines() {
        assert!(line.starts_with('{') && line.ends_with('}'), "{line}");
    }
    assert_eq!(server.terminate().code(), Some(0));
}

#[test]
fn a_role_that_can_see_past_the_policies_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::fresh();
    let printed = refused(&mut production_on(&folder, &database, "postgres"));
    assert_one_line(
        &printed,
        "database role postgres is a superuser; TenantDb refuses to work with it",
    );
}

#[test]
fn a_database_that_is_behind_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::fresh();
    database
        .superuser()
        .batch_execute(
            "DELETE FROM __diesel_schema_migrations
             WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)",
        )
        .unwrap();
    let printed = refused(&mut production_on(&folder, &database, "rowhouse_app"));
    assert_one_line(&printed, "run `rowhouse-migrate up` first");
    let never = "DROP TABLE __diesel_schema_migrations";
    database.superuser().batch_execute(never).unwrap();
    let printed = refused(&mut production_on(&folder, &database, "rowhouse_app"));
    assert_one_line(&printed, "run `rowhouse-migrate up` first");
}

#[test]
fn production_refuses_a_database_that_lacks_a_guard() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::fresh();
    database
        .superuser()
        .batch_execute("ALTER TABLE projects NO FORCE ROW LEVEL SECURITY")
        .unwrap();
    let printed = refused(&mut production_on(&folder, &database, "rowhouse_app"));
    let (line, report) = printed.split_once('\n').unwrap();
    assert_one_line(line, "a guard of the isolation is not in place");
    assert!(report.contains("projects"), "{report}");
}

#[test]
fn production_goes_on_beside_a_newer_version_but_not_without_its_own_guards() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::fresh();
    database
        .superuser()
        .batch_execute(
            "INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000');
             CREATE TABLE of_a_newer_version (id int);",
        )
        .unwrap();
    let server = Server::start(&mut production_on(&folder, &database, "rowhouse_app"));
    assert!(
        server.log().contains("database_is_newer"),
        "{}",
        server.log()
    );
    assert_eq!(server.terminate().code(), Some(0));

    database
        .superuser()
        .batch_execute("ALTER TABLE projects NO FORCE ROW LEVEL SECURITY")
        .unwrap();
    let printed = refused(&mut production_on(&folder, &database, "rowhouse_app"));
    assert!(printed.contains("rls_not_forced"), "{printed}");
}

#[test]
fn there_are_no_arguments_but_help_and_version() {
    let helped = command().arg("--help").output().unwrap();
    assert_eq!(helped.status.code(), Some(0));
    let refused = command().arg("--prot=1").output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(refused.stdout.is_empty());
}

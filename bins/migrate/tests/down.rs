//! `rowhouse-migrate down`: what a migration takes with it is said before it is gone.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::process::Command;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use rowhouse_tests::Database;
use secrecy::ExposeSecret as _;

/// Exit code, and what was printed on either stream.
fn migrate(database: &Database, arguments: &[&str]) -> (i32, String) {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rowhouse-migrate"));
    command
        .env_clear()
        .env("ROWHOUSE_ENV", "test")
        .env("ROWHOUSE_HOME", home.path())
        .env(
            "DATABASE_URL",
            database.url(database.owner()).expose_secret(),
        )
        .current_dir(home.path())
        .args(arguments);
    for role in ["APP", "AUTH", "OPS"] {
        command.env(
            format!("ROWHOUSE__DATABASE__{role}_PASSWORD"),
            "of the tests",
        );
    }
    let output = command.output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), text)
}

/// The migration that makes the tables of denials.
const DENIALS: &str = "20261121003600";

const ROWS: &str = "
    INSERT INTO tenants (id, slug, subdomain, name)
        VALUES ('00000000-0000-7000-8000-000000000001', 'acme-corp', 'acme-corp', 'Acme');
    INSERT INTO denials (tenant_id, id, at, actor_kind, reason, status, request_id)
        SELECT '00000000-0000-7000-8000-000000000001', gen_random_uuid(), now(), 'stranger', 'forbidden', 403, 'r'
        FROM generate_series(1, 2);
    INSERT INTO platform_denials (id, at, actor_kind, reason, status, request_id)
        SELECT gen_random_uuid(), now(), 'stranger', 'forbidden', 403, 'r' FROM generate_series(1, 3);";

/// The version of the newest migration that has run.
fn newest(database: &Database) -> String {
    let (_, text) = migrate(database, &["status"]);
    let applied = text.lines().rfind(|line| line.starts_with("applied"));
    let name = applied.unwrap().split_whitespace().last().unwrap();
    name.split('_').next().unwrap().to_owned()
}

fn denials(database: &Database) -> i64 {
    diesel::select(diesel::dsl::sql::<BigInt>(
        "(SELECT count(*) FROM platform_denials)",
    ))
    .get_result(&mut database.superuser())
    .unwrap()
}

#[test]
fn rows_are_lost_only_once_somebody_has_agreed_to_lose_them() {
    for database in [Database::fresh(), Database::managed()] {
        let last = newest(&database);
        // Where nothing is lost nobody is asked.
        while newest(&database).as_str() > DENIALS {
            let expected = format!("down  {}\n", newest(&database));
            assert_eq!(migrate(&database, &["down"]), (0, expected));
        }
        database.superuser().batch_execute(ROWS).unwrap();
        for command in ["down", "redo"] {
            let (code, text) = migrate(&database, &[command]);
            assert_eq!(code, 1, "{text}");
            let said = "would be lost  2 rows of public.denials\n\
                        would be lost  3 rows of public.platform_denials\n";
            assert!(text.starts_with(said), "{text}");
            assert!(text.contains(&format!("add --confirm {DENIALS}")), "{text}");
            let (code, text) = migrate(&database, &[command, "--confirm", "20261121000100"]);
            assert_eq!(code, 2, "{text}");
            assert!(text.contains("nothing was reverted"), "{text}");
            assert_eq!(denials(&database), 3);
        }
        let (code, text) = migrate(&database, &["redo", "--confirm", DENIALS]);
        assert_eq!(code, 0, "{text}");
        assert!(
            text.starts_with("lost  2 rows of public.denials\n"),
            "{text}"
        );
        assert!(text.contains(&format!("\ndown  {DENIALS}\n")), "{text}");
        assert_eq!((denials(&database), newest(&database)), (0, last));
        let (code, text) = migrate(&database, &["verify"]);
        assert_eq!(code, 0, "{text}");
    }
}

/// A column goes with all that stands in it.
#[test]
fn values_of_columns_count() {
    let database = Database::fresh();
    database.superuser().batch_execute(ROWS).unwrap();
    let mut said = String::new();
    while newest(&database).as_str() > "20261121003100" {
        let (code, text) = migrate(&database, &["down"]);
        if code == 1 {
            said.push_str(&text);
            let confirmed = ["down", "--confirm", &newest(&database)];
            assert_eq!(migrate(&database, &confirmed).0, 0);
        }
    }
    let lost = "would be lost  1 values of public.tenants.features\n";
    assert!(said.contains(lost), "{said}");
}

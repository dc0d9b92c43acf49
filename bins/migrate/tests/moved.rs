//! From level managed to level full, by the commands of `docs/managed.md`.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::env;
use std::process::Command;

use diesel::prelude::*;
use diesel::sql_types::Text;
use embedded_postgres::Programs;
use rowhouse_tests::{Database, TestApp};
use secrecy::ExposeSecret as _;
use store::catalog::catalog;
use tenant_db::verify::verify_with_rows;

const DOCUMENT: &str = include_str!("../../../docs/managed.md");

/// Its last shell block.
fn commands() -> &'static str {
    let (_, section) = DOCUMENT.split_once("## To level full").unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    block.split_once("```").unwrap().0
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    rows: String,
}

/// Every table but the record of migrations and the keys of the database, with all of its rows.
fn rows(database: &Database) -> BTreeMap<String, String> {
    let tables: Vec<Line> = diesel::sql_query(
        "SELECT oid::regclass::text AS name, '' AS rows FROM pg_class
         WHERE relkind = 'r' AND oid >= 16384
             AND relname NOT IN ('__diesel_schema_migrations', 'seal_key', 'context_key')",
    )
    .load(&mut database.superuser())
    .unwrap();
    tables
        .into_iter()
        .map(|table| {
            let rows: Line = diesel::sql_query(format!(
                "SELECT '' AS name, coalesce(string_agg(t::text, ' ' ORDER BY t::text), '') AS rows FROM {} t",
                table.name
            ))
            .get_result(&mut database.superuser())
            .unwrap();
            (table.name, rows.rows)
        })
        .collect()
}

#[tokio::test]
async fn the_documented_commands_take_every_row_along() {
    let (app, alice, bob) = TestApp::two_tenants_managed().await;
    let _ = alice.create_project("Atlas").await;
    let _ = bob.colleague("viewer").await;
    let (old, new) = (app.database(), Database::fresh());
    let folder = tempfile::tempdir().unwrap();
    let programs = Programs::find().unwrap();
    let path = format!(
        "{}:{}",
        programs.bindir().display(),
        env::var("PATH").unwrap()
    );
    let output = Command::new("sh")
        .args(["-c", commands()])
        .env("PATH", path)
        .env("OLD", old.url(old.owner()).expose_secret())
        .env("NEW", new.url("postgres").expose_secret())
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");

    let before = rows(old);
    assert!(!before["projects"].is_empty() && !before["tenancy.audit_events"].is_empty());
    assert_eq!(rows(&new), before);
    for database in [old, &new] {
        let report = verify_with_rows(&mut database.superuser(), &catalog()).unwrap();
        assert!(report.is_clean(), "{report}");
    }
}

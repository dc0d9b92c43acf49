//! A database as the migrations make it.

use std::fs;
use std::path::Path;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::result::Error::RollbackTransaction;
use rowhouse_tests::Database;
use store::catalog::catalog;
use tenant_db::verify::{Catalog, Table, TenantTable, policies};

use crate::breakage::{examine, examine_with, is_executable};

#[test]
fn a_migrated_database_has_no_finding() {
    let database = Database::fresh();
    let report = examine(&mut database.superuser());
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.to_string().lines().count(), 2, "{report}");
}

/// The server examines its database at its start, and logs in as this role.
#[test]
fn the_role_of_sign_in_sees_as_much_as_a_superuser() {
    let database = Database::fresh();
    let of_superuser = examine(&mut database.superuser());
    for role in ["rowhouse_auth", "rowhouse_ops", "rowhouse_app"] {
        let report = examine(&mut database.connect_as(role));
        assert_eq!(report.to_string(), of_superuser.to_string(), "{role}");
    }
    let mut superuser = database.superuser();
    superuser
        .batch_execute("ALTER TABLE projects DISABLE ROW LEVEL SECURITY; CREATE PUBLICATION p")
        .unwrap();
    assert_eq!(
        examine(&mut database.connect_as("rowhouse_auth")).to_string(),
        examine(&mut superuser).to_string()
    );
}

#[test]
fn an_open_transaction_goes_on_as_it_was() {
    let database = Database::fresh();
    let mut conn = database.superuser();
    let result = conn.transaction(|conn| {
        conn.batch_execute("SET LOCAL search_path = tenancy; CREATE TABLE public.mine ()")?;
        assert!(!examine(conn).is_clean());
        conn.batch_execute("SELECT FROM seal_key; SELECT FROM public.mine")?;
        Err::<(), _>(RollbackTransaction)
    });
    assert_eq!(result, Err(RollbackTransaction));
}

/// What an embedder who has no table yet declares.
#[test]
fn the_catalog_of_tenant_db_alone_warns_of_the_authorize_that_lets_all_in() {
    let database = Database::fresh();
    let mut conn = database.superuser();
    conn.batch_execute(
        "DO $$
         DECLARE ours text;
         BEGIN
             FOR ours IN
                 SELECT 'TABLE ' || oid::regclass FROM pg_class
                 WHERE relkind = 'r' AND relnamespace IN ('public'::regnamespace, 'tenancy'::regnamespace)
                     AND oid <> 'tenancy.seal_key'::regclass AND relname !~ '^audit_'
                 UNION ALL
                 SELECT 'FUNCTION ' || oid::regprocedure FROM pg_proc
                 WHERE pronamespace = 'public'::regnamespace
                     OR pronamespace = 'tenancy'::regnamespace AND proname ~ '^((copy|authorize)_|works_in$|refuse_tenant$|seq_of$|blame$|chains_to_|check_piece$|check_chain$)'
             LOOP
                 EXECUTE 'DROP ' || ours || ' CASCADE';
             END LOOP;
         END
         $$;
         DROP SCHEMA directory CASCADE;
         REVOKE ALL ON SCHEMA public, tenancy FROM rowhouse_directory, rowhouse_auth, rowhouse_ops;
         REVOKE ALL ON ALL FUNCTIONS IN SCHEMA tenancy FROM rowhouse_directory, rowhouse_auth, rowhouse_ops;
         REVOKE ALL ON LANGUAGE plpgsql, sql FROM rowhouse_directory;
         CREATE OR REPLACE FUNCTION tenancy.authorize(kind text, tenant uuid, actor text, session uuid, role text, version int)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN;
END
$$;",
    )
    .unwrap();
    let report = examine_with(&mut conn, &Catalog::new());
    assert!(report.is_clean(), "{report}");
    let codes: Vec<_> = report.warnings().iter().map(|w| w.code).collect();
    assert_eq!(codes, ["authorize_allows_all"]);

    // A function of their own is not undone by a remedy.
    conn.batch_execute(
        "ALTER FUNCTION tenancy.authorize(text, uuid, text, uuid, text, int) STRICT",
    )
    .unwrap();
    let report = examine_with(&mut conn, &Catalog::new());
    let [finding] = report.findings() else {
        panic!("{report}");
    };
    assert_eq!(finding.code, "function_definition");
    assert!(!is_executable(finding), "{report}");
}

#[test]
fn what_an_embedder_declares_is_no_finding() {
    let database = Database::fresh();
    let mut conn = database.superuser();
    conn.batch_execute(
        "SET ROLE rowhouse_owner;
         CREATE TYPE mood AS ENUM ('glad', 'sad');
         CREATE SEQUENCE numbers;
         GRANT USAGE ON SEQUENCE numbers TO rowhouse_app;
         CREATE TABLE countries (code text PRIMARY KEY);
         GRANT SELECT ON countries TO rowhouse_app;
         CREATE TABLE \"Notes\" (
            tenant_id uuid NOT NULL, id uuid NOT NULL, \"Title\" text NOT NULL, mood mood,
            length integer GENERATED ALWAYS AS (char_length(\"Title\")) STORED, project_id uuid NOT NULL,
            PRIMARY KEY (tenant_id, id),
            FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id) ON DELETE RESTRICT);
         SELECT tenancy.protect('\"Notes\"');
         CREATE VIEW glad_notes WITH (security_invoker) AS SELECT * FROM \"Notes\" WHERE mood = 'glad';
         GRANT SELECT ON glad_notes TO rowhouse_app;
         RESET ROLE",
    )
    .unwrap();
    let catalog = catalog()
        .object("type", "public.mood")
        .sequence("public.numbers", "rowhouse_owner")
        .grant("USAGE", "SEQUENCE public.numbers", "rowhouse_app")
        .table(Table::new("public.countries", "rowhouse_owner").grant("SELECT", "rowhouse_app"))
        .tenant_table(TenantTable::new("public.\"Notes\""))
        .view("public.glad_notes", "rowhouse_owner")
        .grant("SELECT", "TABLE public.glad_notes", "rowhouse_app");
    let report = examine_with(&mut conn, &catalog);
    assert!(report.is_clean(), "{report}");
}

/// Held apart from the catalog, which could declare too much.
#[test]
fn the_application_has_rights_on_protected_tables_only() {
    let database = Database::fresh();
    let open: Vec<Name> = diesel::sql_query(
        "SELECT c.oid::regclass::text AS name FROM pg_class c
         WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
            AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
            AND (SELECT bool_or(a.grantee IN (0, 'rowhouse_app'::regrole)) FROM aclexplode(c.relacl) a)
         UNION ALL
         SELECT DISTINCT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.oid >= 16384 AND NOT (c.relrowsecurity AND c.relforcerowsecurity) AND a.attacl IS NOT NULL
            AND (SELECT bool_or(e.grantee IN (0, 'rowhouse_app'::regrole)) FROM aclexplode(a.attacl) e)",
    )
    .load(&mut database.superuser())
    .unwrap();
    assert!(open.is_empty(), "{open:?}");
}

#[derive(Debug, QueryableByName)]
struct Name {
    #[expect(dead_code, reason = "shown when the test fails")]
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
}

#[test]
fn the_committed_policies_are_those_of_the_database() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/policies.txt");
    let database = Database::fresh();
    let found = policies(&mut database.superuser()).unwrap();
    assert_eq!(
        fs::read_to_string(path).unwrap_or_default(),
        found,
        "read the change, then: rowhouse-migrate verify --policies > docs/policies.txt"
    );
}

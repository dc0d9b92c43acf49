//! Tables, views and sequences.

use diesel::connection::SimpleConnection as _;
use rowhouse_tests::Database;

use crate::breakage::{Breakage, assert_found_and_mended, examine};

pub(crate) const BREAKAGES: &[Breakage] = &[
    (
        "a new table, not protected",
        "CREATE TABLE notes (tenant_id uuid NOT NULL, id uuid, PRIMARY KEY (tenant_id, id));
         ALTER TABLE notes OWNER TO rowhouse_owner",
        &["table_unknown"],
    ),
    (
        "a new table that its owner may reach alone",
        "CREATE TABLE tenancy.notes ()",
        &["table_unknown"],
    ),
    (
        "a table that is gone",
        "DROP TABLE refresh_tokens",
        &["table_missing"],
    ),
    (
        "a tenant that may be NULL",
        "ALTER TABLE jobs DROP CONSTRAINT jobs_pkey; ALTER TABLE jobs ALTER tenant_id DROP NOT NULL",
        &["primary_key", "tenant_column"],
    ),
    (
        "a table of the application",
        "ALTER TABLE projects OWNER TO rowhouse_app",
        &["grant_missing", "owner"],
    ),
    (
        "keys of the owner",
        "ALTER TABLE tenancy.seal_key OWNER TO rowhouse_owner",
        &["owner"],
    ),
    (
        "the record of migrations in the hands of sign-in",
        "ALTER TABLE __diesel_schema_migrations OWNER TO rowhouse_auth",
        &["grant_missing", "owner"],
    ),
    (
        "a schema of the application",
        "ALTER SCHEMA directory OWNER TO rowhouse_app",
        &["grant_missing", "owner"],
    ),
    (
        "the schema of the tables in the hands of sign-in",
        "ALTER SCHEMA public OWNER TO rowhouse_auth",
        &["grant_missing", "owner"],
    ),
    (
        "the schema of the tables in the hands of their owner",
        "ALTER SCHEMA public OWNER TO rowhouse_owner",
        &[],
    ),
    (
        "a schema that is gone",
        "DROP SCHEMA directory CASCADE",
        &["function_missing", "schema_missing", "trigger_missing"],
    ),
    (
        "the database of the application",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO rowhouse_app', current_database()); END $$",
        &["grant_missing", "owner"],
    ),
    (
        "a database that others may copy",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I IS_TEMPLATE true', current_database()); END $$",
        &["database_template"],
    ),
    (
        "the database of a stranger",
        "CREATE ROLE verify_stranger;
         DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO verify_stranger', current_database()); END $$",
        &["role_outside"],
    ),
    (
        "a view with its owner's rights",
        "CREATE VIEW everything AS SELECT * FROM projects",
        &["view_not_invoker", "view_unknown"],
    ),
    (
        "a view with its reader's rights, not declared",
        "CREATE VIEW everything WITH (security_invoker) AS SELECT * FROM projects",
        &["view_unknown"],
    ),
    (
        "a materialized view",
        "CREATE MATERIALIZED VIEW everything AS SELECT * FROM projects",
        &["view_unknown"],
    ),
    (
        "a sequence",
        "CREATE SEQUENCE numbers",
        &["sequence_unknown"],
    ),
    (
        "a child of a tenant table",
        "CREATE TABLE projects_old () INHERITS (projects)",
        &["inheritance", "table_unknown"],
    ),
    (
        "partitions",
        "CREATE TABLE events (tenant_id uuid NOT NULL) PARTITION BY HASH (tenant_id);
         CREATE TABLE events_0 PARTITION OF events FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
        &["inheritance", "table_unknown"],
    ),
];

#[test]
fn tables_are_missed_when_they_are_not_those_declared() {
    assert_found_and_mended(BREAKAGES);
}

/// What mends a table of another shape is a migration, not a line of SQL.
#[test]
fn a_tenant_column_of_another_type_is_missed() {
    let database = Database::fresh();
    let mut conn = database.superuser();
    conn.batch_execute(
        "DROP TABLE projects CASCADE;
         CREATE TABLE projects (tenant_id text NOT NULL, id uuid NOT NULL, PRIMARY KEY (tenant_id, id));
         ALTER TABLE projects OWNER TO rowhouse_owner",
    )
    .unwrap();
    let report = examine(&mut conn);
    assert!(
        report
            .findings()
            .iter()
            .any(|f| f.code == "tenant_column" && f.object == "public.projects"),
        "{report}"
    );
}

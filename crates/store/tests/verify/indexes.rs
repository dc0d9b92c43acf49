//! Keys and indexes of tenant tables.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel::sql_types::Text;
use rowhouse_tests::Database;
use store::catalog::catalog;
use tenant_db::verify::mutants;

use crate::breakage::{Breakage, assert_found_and_mended};

pub(crate) const BREAKAGES: &[Breakage] = &[
    (
        "a primary key that begins with something else",
        "ALTER TABLE jobs DROP CONSTRAINT jobs_pkey, ADD PRIMARY KEY (id, tenant_id)",
        &["primary_key"],
    ),
    (
        "no primary key",
        "ALTER TABLE jobs DROP CONSTRAINT jobs_pkey",
        &["primary_key"],
    ),
    (
        "a unique key across tenants",
        "ALTER TABLE projects ADD CONSTRAINT projects_name_key UNIQUE (name)",
        &["unique_key"],
    ),
    (
        "a unique index across tenants",
        "CREATE UNIQUE INDEX projects_name_key ON projects (lower(name)) WHERE NOT is_deleted",
        &["unique_key"],
    ),
    (
        "an exclusion across tenants",
        "ALTER TABLE projects ADD CONSTRAINT projects_alone EXCLUDE USING btree (name WITH =)",
        &["unique_key"],
    ),
    (
        "an index that begins with something else",
        "CREATE INDEX projects_title_idx ON projects (name, tenant_id)",
        &["index_order"],
    ),
    (
        "an index that is not valid",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'memberships_tenant_email_key'::regclass",
        &["index_invalid"],
    ),
    (
        "an index that queries rely on is gone",
        "DROP INDEX projects_created_idx",
        &["index_missing"],
    ),
    (
        "a unique index that is gone",
        "DROP INDEX memberships_tenant_email_key",
        &["index_missing"],
    ),
    (
        "a unique index that holds fewer rows",
        "DROP INDEX memberships_tenant_email_key;
         CREATE UNIQUE INDEX memberships_tenant_email_key ON memberships (tenant_id, email) WHERE status = 'active'",
        &["index_changed"],
    ),
    (
        "a unique key that is gone",
        "ALTER TABLE tenants DROP CONSTRAINT tenants_slug_key",
        &["key_missing"],
    ),
    (
        "a private copy without its key",
        "ALTER TABLE tenancy.session DROP CONSTRAINT session_pkey",
        &["key_missing"],
    ),
    (
        "a unique key of other columns",
        "ALTER TABLE account_tokens DROP CONSTRAINT account_tokens_purpose_key,
             ADD CONSTRAINT account_tokens_purpose_key UNIQUE (account_id, purpose, id)",
        &["key_changed"],
    ),
];

#[test]
fn indexes_are_missed_when_they_span_tenants() {
    assert_found_and_mended(BREAKAGES);
}

/// Whatever is declared has a mutant that drops it; so what has none is not declared.
#[test]
fn every_key_and_index_that_can_be_dropped_is_declared() {
    let database = Database::fresh();
    let mut conn = database.superuser();
    let there: Vec<Line> = diesel::sql_query(
        "SELECT format('%I.%I: key %I is dropped', n.nspname, c.relname, k.conname) AS line
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.oid >= 16384 AND (k.contype IN ('f', 'u') OR k.contype = 'p' AND NOT c.relrowsecurity)
             AND c.relname <> '__diesel_schema_migrations'
         UNION ALL
         SELECT format('%I.%I: index %I is dropped', n.nspname, c.relname, x.relname)
         FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_class x ON x.oid = i.indexrelid
         WHERE c.oid >= 16384 AND c.relkind = 'r'
             AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u'))",
    )
    .load(&mut conn)
    .unwrap();
    let there: BTreeSet<String> = there.into_iter().map(|line| line.line).collect();
    let declared: BTreeSet<String> = mutants(&mut conn, &catalog())
        .unwrap()
        .into_iter()
        .filter(|mutant| {
            ["foreign_key_missing", "index_missing", "key_missing"].contains(&&*mutant.codes[0])
        })
        .map(|mutant| format!("{}: {}", mutant.object, mutant.change))
        .collect();
    assert!(there.len() > 50, "{there:?}");
    assert_eq!(there, declared, "crates/store/src/catalog/keys.rs");
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

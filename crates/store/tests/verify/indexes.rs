//! Keys and indexes of tenant tables.

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
];

#[test]
fn indexes_are_missed_when_they_span_tenants() {
    assert_found_and_mended(BREAKAGES);
}

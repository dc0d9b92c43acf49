//! Roles are the cluster's: what is broken here is rolled back before anybody else sees it.

use crate::breakage::{Breakage, assert_found_and_mended};

pub(crate) const BREAKAGES: &[Breakage] = &[
    (
        "BYPASSRLS",
        "ALTER ROLE rowhouse_app BYPASSRLS",
        &["role_attributes"],
    ),
    (
        "SUPERUSER",
        "ALTER ROLE rowhouse_auth SUPERUSER",
        &["role_attributes"],
    ),
    (
        "CREATEROLE",
        "ALTER ROLE rowhouse_app CREATEROLE",
        &["role_attributes"],
    ),
    (
        "CREATEDB and REPLICATION",
        "ALTER ROLE rowhouse_ops CREATEDB REPLICATION",
        &["role_attributes"],
    ),
    (
        "a door that logs in",
        "ALTER ROLE rowhouse_directory LOGIN",
        &["role_attributes"],
    ),
    (
        "an owner whose migrations find no row",
        "ALTER ROLE rowhouse_owner NOBYPASSRLS",
        &["role_attributes"],
    ),
    (
        "the application in the owner's role",
        "GRANT rowhouse_owner TO rowhouse_app",
        &["role_membership"],
    ),
    (
        "sign-in in a predefined role",
        "GRANT pg_read_all_data TO rowhouse_auth",
        &["role_membership"],
    ),
    (
        "a stranger in the kernel's role",
        "CREATE ROLE verify_stranger; GRANT rowhouse_tenancy TO verify_stranger",
        &["role_membership"],
    ),
    (
        "a role that is gone",
        "ALTER ROLE rowhouse_ops RENAME TO verify_other",
        &["grant_excess", "grant_missing", "role_missing"],
    ),
    (
        "a powerful stranger",
        "CREATE ROLE verify_stranger CREATEROLE BYPASSRLS",
        &["role_outside"],
    ),
    (
        "a stranger who reads all",
        "CREATE ROLE verify_stranger; GRANT pg_read_all_data TO verify_stranger",
        &["role_outside"],
    ),
    (
        "a setting of the application",
        "ALTER ROLE rowhouse_app SET search_path = pg_temp, public",
        &["role_setting"],
    ),
    (
        "a setting of sign-in, in this database",
        "DO $$ BEGIN EXECUTE format('ALTER ROLE rowhouse_auth IN DATABASE %I SET work_mem = 64', current_database()); END $$",
        &["role_setting"],
    ),
];

#[test]
fn roles_are_missed_when_they_could_do_more_or_less() {
    assert_found_and_mended(BREAKAGES);
}

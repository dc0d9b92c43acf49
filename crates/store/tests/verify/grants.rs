//! Rights that nobody declared, and rights that are gone.

use crate::breakage::{Breakage, assert_found_and_mended};

pub(crate) const BREAKAGES: &[Breakage] = &[
    (
        "more on a tenant table",
        "GRANT DELETE, TRUNCATE ON projects TO rowhouse_app",
        &["grant_excess"],
    ),
    (
        "the whole table's UPDATE instead of its columns'",
        "GRANT UPDATE ON projects TO rowhouse_app",
        &["grant_excess"],
    ),
    (
        "the tenant's column",
        "GRANT UPDATE (tenant_id) ON projects TO rowhouse_app",
        &["grant_excess"],
    ),
    (
        "accounts for the application",
        "GRANT SELECT ON accounts TO rowhouse_app",
        &["grant_excess"],
    ),
    (
        "password hashes for the doors",
        "GRANT SELECT (password_hash) ON credentials TO rowhouse_directory",
        &["grant_excess"],
    ),
    (
        "a tenant table for sign-in",
        "GRANT SELECT ON projects TO rowhouse_auth",
        &["grant_excess"],
    ),
    (
        "rows for the operators",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO rowhouse_ops",
        &["grant_excess"],
    ),
    (
        "rows for the kernel",
        "GRANT SELECT ON memberships TO rowhouse_tenancy",
        &["grant_excess"],
    ),
    (
        "keys for the owner",
        "GRANT SELECT ON tenancy.seal_key TO rowhouse_owner",
        &["grant_excess"],
    ),
    (
        "a table for PUBLIC",
        "GRANT SELECT ON projects TO PUBLIC",
        &["grant_excess"],
    ),
    (
        "a table for a role that is not ours",
        "CREATE ROLE verify_stranger; GRANT SELECT ON accounts TO verify_stranger",
        &["grant_excess"],
    ),
    (
        "a right to hand on",
        "GRANT SELECT ON projects TO rowhouse_app WITH GRANT OPTION",
        &["grant_option"],
    ),
    (
        "a right that is gone",
        "REVOKE INSERT ON projects FROM rowhouse_app",
        &["grant_missing"],
    ),
    (
        "a column that nobody protected again",
        "ALTER TABLE projects RENAME COLUMN name TO name2; ALTER TABLE projects ADD COLUMN name text",
        &["grant_excess", "grant_missing"],
    ),
    (
        "the slot for the application",
        "GRANT SET ON PARAMETER backtrace_functions TO rowhouse_app",
        &["parameter_grant"],
    ),
    (
        "the slot for everybody",
        "GRANT SET ON PARAMETER backtrace_functions TO PUBLIC",
        &["parameter_grant"],
    ),
    (
        "another parameter for the application",
        "GRANT SET ON PARAMETER session_replication_role TO rowhouse_app",
        &["parameter_grant"],
    ),
    (
        "the slot for a stranger",
        "CREATE ROLE verify_stranger; GRANT SET ON PARAMETER backtrace_functions TO verify_stranger",
        &["parameter_grant"],
    ),
    (
        "another parameter for a stranger, who is no concern of ours",
        "CREATE ROLE verify_stranger; GRANT SET ON PARAMETER log_statement TO verify_stranger",
        &[],
    ),
    (
        "no slot for the kernel",
        "REVOKE SET ON PARAMETER backtrace_functions FROM rowhouse_tenancy",
        &["grant_missing"],
    ),
    (
        "temporary tables",
        "DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database()); END $$",
        &["grant_excess"],
    ),
    (
        "schemas made by the application",
        "DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO rowhouse_app', current_database()); END $$",
        &["grant_excess"],
    ),
    (
        "tables in public made by everybody",
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
        &["grant_excess"],
    ),
    (
        "the kernel's schema for sign-in",
        "GRANT CREATE ON SCHEMA tenancy TO rowhouse_auth",
        &["grant_excess"],
    ),
    (
        "functions and DO blocks for everybody",
        "GRANT USAGE ON LANGUAGE plpgsql TO PUBLIC",
        &["grant_excess"],
    ),
    (
        "large objects for everybody",
        "GRANT EXECUTE ON FUNCTION lo_create(oid) TO PUBLIC",
        &["builtin_granted"],
    ),
    (
        "what other sessions run, for the application",
        "GRANT EXECUTE ON FUNCTION pg_stat_get_activity(integer) TO rowhouse_app",
        &["builtin_granted"],
    ),
    (
        "the host's files for the application",
        "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO rowhouse_app",
        &["builtin_granted"],
    ),
    (
        "a built-in function that runs as a superuser",
        "ALTER FUNCTION query_to_xml(text, boolean, boolean, text) SECURITY DEFINER",
        &["builtin_changed"],
    ),
    (
        "a system table for sign-in",
        "GRANT SELECT ON pg_authid TO rowhouse_auth",
        &["builtin_granted"],
    ),
    (
        "a system table's column for everybody",
        "GRANT SELECT (rolpassword) ON pg_authid TO PUBLIC",
        &["builtin_granted"],
    ),
    (
        "objects in pg_catalog",
        "GRANT CREATE ON SCHEMA pg_catalog TO rowhouse_app",
        &["builtin_granted"],
    ),
    (
        "a door without a context for the application",
        "GRANT EXECUTE ON FUNCTION directory.memberships_of(uuid) TO rowhouse_app",
        &["grant_excess"],
    ),
    (
        "a door for everybody",
        "GRANT EXECUTE ON FUNCTION directory.create_tenant(uuid, text, text) TO PUBLIC",
        &["grant_excess"],
    ),
    (
        "protect for the application",
        "GRANT EXECUTE ON FUNCTION tenancy.protect(regclass, text, name, name, text[], name[], name, boolean, boolean, name[], name[])
            TO rowhouse_app",
        &["grant_excess"],
    ),
    (
        "tables to come",
        "ALTER DEFAULT PRIVILEGES FOR ROLE rowhouse_owner IN SCHEMA public GRANT SELECT ON TABLES TO rowhouse_app",
        &["default_privileges"],
    ),
    (
        "functions to come",
        "ALTER DEFAULT PRIVILEGES FOR ROLE rowhouse_directory GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
        &["default_privileges"],
    ),
    (
        "tables to come of somebody else",
        "ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT SELECT ON TABLES TO rowhouse_auth",
        &["default_privileges"],
    ),
];

#[test]
fn rights_are_missed_when_they_are_not_those_declared() {
    assert_found_and_mended(BREAKAGES);
}

//! The audit trail: the triggers that write it, and what keeps it from being written otherwise.

use crate::breakage::{Breakage, assert_found_and_mended};

pub(crate) const BREAKAGES: &[Breakage] = &[
    (
        "a table that leaves no events any more",
        "DROP TRIGGER tenancy_audit ON projects",
        &["audit_missing"],
    ),
    (
        "events switched off",
        "ALTER TABLE memberships DISABLE TRIGGER tenancy_audit",
        &["audit_disabled"],
    ),
    (
        "events that a replica would not write",
        "ALTER TABLE projects ENABLE TRIGGER tenancy_audit",
        &["audit_disabled"],
    ),
    (
        "events that show a key's hash",
        "SELECT tenancy.protect('api_keys', write_role => 'admin', door => 'rowhouse_directory',
            commands => '{select,insert,delete}', unaudited => '{last_used_at}')",
        &["audit_changed"],
    ),
    (
        "a column that leaves no events",
        "SELECT tenancy.protect('resources', update_columns => '{name,type,data}', unaudited => '{data,updated_at}')",
        &["audit_changed"],
    ),
    (
        "events of inserts only",
        "CREATE OR REPLACE TRIGGER tenancy_audit AFTER INSERT ON projects FOR EACH ROW
            EXECUTE FUNCTION tenancy.record_event('projects', 'tenant_id', '{id}', '{}', '{tenant_id}');
         ALTER TABLE projects ENABLE ALWAYS TRIGGER tenancy_audit",
        &["audit_changed"],
    ),
    (
        "events under another name",
        "CREATE OR REPLACE TRIGGER tenancy_audit AFTER INSERT OR UPDATE OR DELETE ON resources FOR EACH ROW
            EXECUTE FUNCTION tenancy.record_event('projects', 'tenant_id', '{id}', '{}', '{tenant_id,updated_at}');
         ALTER TABLE resources ENABLE ALWAYS TRIGGER tenancy_audit",
        &["audit_changed"],
    ),
    (
        "events on condition",
        "CREATE OR REPLACE TRIGGER tenancy_audit AFTER INSERT OR UPDATE OR DELETE ON roles FOR EACH ROW
            WHEN (pg_trigger_depth() > 9)
            EXECUTE FUNCTION tenancy.record_event('roles', 'tenant_id', '{id}', '{}', '{tenant_id,updated_at}');
         ALTER TABLE roles ENABLE ALWAYS TRIGGER tenancy_audit",
        &["audit_changed"],
    ),
    (
        "events nobody declared",
        "CREATE TRIGGER tenancy_audit AFTER INSERT ON jobs FOR EACH ROW
            EXECUTE FUNCTION tenancy.record_event('jobs', 'tenant_id', '{id}', '{}', '{tenant_id}')",
        &["trigger_unknown"],
    ),
    (
        "an application that writes events",
        "GRANT INSERT ON tenancy.audit_events TO rowhouse_app",
        &["grant_excess"],
    ),
    (
        "an application that reads salts",
        "GRANT SELECT ON tenancy.audit_pending, tenancy.audit_seals TO rowhouse_app",
        &["grant_excess"],
    ),
    (
        "an owner that takes events away",
        "GRANT DELETE ON tenancy.audit_events TO rowhouse_owner",
        &["grant_excess"],
    ),
    (
        "a server that moves the end of a chain",
        "GRANT UPDATE ON tenancy.audit_heads TO rowhouse_auth",
        &["grant_excess"],
    ),
    (
        "an application that seals",
        "GRANT EXECUTE ON FUNCTION tenancy.seal_events(uuid, int) TO rowhouse_app",
        &["grant_excess"],
    ),
    (
        "an application that erases",
        "GRANT EXECUTE ON FUNCTION tenancy.erase_object(uuid, text, text) TO rowhouse_app",
        &["grant_excess"],
    ),
    (
        "an application that acts for others",
        "GRANT EXECUTE ON FUNCTION tenancy.act_as(uuid) TO rowhouse_app",
        &["grant_excess"],
    ),
    (
        "events of everybody",
        "ALTER TABLE tenancy.audit_events DISABLE ROW LEVEL SECURITY",
        &["rls_disabled"],
    ),
    (
        "events in the hands of the tables' owner",
        "ALTER TABLE tenancy.audit_events OWNER TO rowhouse_owner",
        &["owner"],
    ),
    (
        "a function that records nothing",
        "CREATE OR REPLACE FUNCTION tenancy.record_event() RETURNS trigger
            LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NULL; END'",
        &["function_definition"],
    ),
    (
        "events recorded with the rights of whoever writes",
        "ALTER FUNCTION tenancy.record_event() SECURITY INVOKER",
        &["function_definer"],
    ),
];

#[test]
fn the_audit_trail_is_missed_when_it_does_not_record_as_declared() {
    assert_found_and_mended(BREAKAGES);
}

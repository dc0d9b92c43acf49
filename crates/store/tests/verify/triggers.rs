//! Triggers: the one that raises TN008, and those that keep what `authorize` asks.

use crate::breakage::{Breakage, assert_found_and_mended};

pub(crate) const BREAKAGES: &[Breakage] = &[
    (
        "guard_write dropped",
        "DROP TRIGGER tenancy_guard_write ON projects",
        &["trigger_missing"],
    ),
    (
        "guard_write disabled",
        "ALTER TABLE projects DISABLE TRIGGER tenancy_guard_write",
        &["trigger_disabled"],
    ),
    (
        "guard_write on replicas only",
        "ALTER TABLE projects ENABLE REPLICA TRIGGER tenancy_guard_write",
        &["trigger_disabled"],
    ),
    (
        "guard_write with another role",
        "CREATE OR REPLACE TRIGGER tenancy_guard_write BEFORE INSERT OR UPDATE OR DELETE ON memberships
            FOR EACH STATEMENT EXECUTE FUNCTION tenancy.guard_write('viewer', 'rowhouse_directory')",
        &["trigger_changed"],
    ),
    (
        "guard_write with another door",
        "CREATE OR REPLACE TRIGGER tenancy_guard_write BEFORE INSERT OR UPDATE OR DELETE ON projects
            FOR EACH STATEMENT EXECUTE FUNCTION tenancy.guard_write('member', 'rowhouse_app')",
        &["trigger_changed"],
    ),
    (
        "copy of the sessions dropped",
        "DROP TRIGGER sessions_copy ON sessions",
        &["trigger_missing"],
    ),
    (
        "copy of the members disabled",
        "ALTER TABLE memberships DISABLE TRIGGER memberships_copy",
        &["trigger_disabled"],
    ),
    (
        "copy of the tenants without their status",
        "CREATE OR REPLACE TRIGGER tenants_copy AFTER INSERT OR DELETE OR UPDATE OF name ON tenants
            FOR EACH ROW EXECUTE FUNCTION tenancy.copy_tenant()",
        &["trigger_changed"],
    ),
    (
        "all triggers of a table, its foreign keys too",
        "ALTER TABLE projects DISABLE TRIGGER ALL",
        &["audit_disabled", "trigger_disabled"],
    ),
    (
        "unknown trigger",
        "CREATE TRIGGER copy AFTER INSERT ON projects FOR EACH ROW EXECUTE FUNCTION tenancy.copy_tenant()",
        &["trigger_unknown"],
    ),
];

#[test]
fn triggers_are_missed_when_they_do_not_fire_as_declared() {
    assert_found_and_mended(BREAKAGES);
}

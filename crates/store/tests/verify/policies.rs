//! Row-Level Security and its policies.

use crate::breakage::{Breakage, assert_found_and_mended};

pub(crate) const BREAKAGES: &[Breakage] = &[
    (
        "Row-Level Security disabled",
        "ALTER TABLE projects DISABLE ROW LEVEL SECURITY",
        &["rls_disabled"],
    ),
    (
        "Row-Level Security not forced",
        "ALTER TABLE projects NO FORCE ROW LEVEL SECURITY",
        &["rls_not_forced"],
    ),
    (
        "guard dropped",
        "DROP POLICY tenancy_guard ON projects",
        &["guard_missing"],
    ),
    (
        "guard's USING loosened",
        "ALTER POLICY tenancy_guard ON projects USING (true)",
        &["guard_changed"],
    ),
    (
        "guard's WITH CHECK loosened",
        "ALTER POLICY tenancy_guard ON memberships WITH CHECK (true)",
        &["guard_changed"],
    ),
    (
        "guard made permissive",
        "DROP POLICY tenancy_guard ON projects;
         CREATE POLICY tenancy_guard ON projects FOR ALL TO PUBLIC
            USING (tenant_id = (SELECT tenancy.current_tenant())) WITH CHECK (tenant_id = (SELECT tenancy.current_tenant()))",
        &["guard_changed"],
    ),
    (
        "guard for one command only",
        "DROP POLICY tenancy_guard ON projects;
         CREATE POLICY tenancy_guard ON projects AS RESTRICTIVE FOR SELECT TO PUBLIC
            USING (tenant_id = (SELECT tenancy.current_tenant()))",
        &["guard_changed"],
    ),
    (
        "guard for one role only",
        "ALTER POLICY tenancy_guard ON projects TO rowhouse_app",
        &["guard_changed"],
    ),
    (
        "another role behind the door",
        "ALTER POLICY tenancy_guard ON memberships
            USING (CASE WHEN current_user = 'rowhouse_app' THEN true ELSE tenant_id = (SELECT tenancy.current_tenant()) END)",
        &["guard_changed"],
    ),
    (
        "guard on another function of the same name",
        "CREATE FUNCTION public.current_tenant() RETURNS uuid LANGUAGE sql RETURN gen_random_uuid();
         ALTER POLICY tenancy_guard ON projects USING (tenant_id = (SELECT public.current_tenant()))",
        &["function_unknown", "grant_excess", "guard_changed"],
    ),
    (
        "guard on another operator",
        "CREATE OPERATOR public.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = uuid_ne);
         ALTER POLICY tenancy_guard ON projects USING (tenant_id OPERATOR(public.=) (SELECT tenancy.current_tenant()))",
        &["guard_changed", "object_unknown"],
    ),
    (
        "permissive policy dropped",
        "DROP POLICY tenancy_update ON projects",
        &["policy_missing"],
    ),
    (
        "permissive policy added",
        "CREATE POLICY everything ON projects USING (true)",
        &["policy_unknown"],
    ),
    (
        "a command that protect was not asked for",
        "CREATE POLICY tenancy_delete ON projects FOR DELETE TO PUBLIC USING (true)",
        &["policy_unknown"],
    ),
    (
        "policy on a table without tenants",
        "CREATE POLICY everything ON accounts USING (true)",
        &["policy_unknown"],
    ),
    (
        "roles of a policy changed",
        "ALTER POLICY tenancy_select ON projects TO rowhouse_app",
        &["policy_changed"],
    ),
    (
        "a viewer's writes let through",
        "ALTER POLICY tenancy_update ON memberships USING (tenant_id = (SELECT tenancy.current_tenant()))",
        &["policy_changed"],
    ),
    (
        "the door opened to all",
        "ALTER POLICY tenancy_door ON memberships TO PUBLIC",
        &["policy_changed"],
    ),
];

#[test]
fn policies_are_missed_when_they_are_not_as_protect_made_them() {
    assert_found_and_mended(BREAKAGES);
}

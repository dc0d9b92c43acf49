//! Functions: the kernel's, the doors', and those that nobody knows.

use diesel::connection::SimpleConnection as _;
use rowhouse_tests::Database;

use crate::breakage::{Breakage, assert_found_and_mended, examine};

pub(crate) const BREAKAGES: &[Breakage] = &[
    (
        "an unknown function with its owner's rights",
        "CREATE FUNCTION directory.everything() RETURNS SETOF public.projects LANGUAGE sql SECURITY DEFINER
            AS 'SELECT * FROM public.projects'",
        &["function_unknown", "grant_excess"],
    ),
    (
        "an unknown function in pg_catalog",
        "CREATE FUNCTION pg_catalog.lower(uuid) RETURNS text LANGUAGE sql RETURN ''",
        &["function_unknown", "grant_excess"],
    ),
    (
        "a search_path that is not pinned",
        "ALTER FUNCTION directory.create_tenant(uuid, text, text) RESET search_path",
        &["function_search_path"],
    ),
    (
        "a search_path with a place to write in",
        "ALTER FUNCTION tenancy.enter(text) SET search_path = public",
        &["function_search_path"],
    ),
    (
        "a setting beside the search_path",
        "ALTER FUNCTION directory.memberships_of(uuid) SET row_security = off",
        &["function_search_path"],
    ),
    (
        "a setting that keeps a function from being inlined",
        "ALTER FUNCTION tenancy.current_tenant() SET search_path = pg_catalog",
        &["function_search_path"],
    ),
    (
        "another enter",
        "CREATE OR REPLACE FUNCTION tenancy.enter(seal text) RETURNS void
         LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
         BEGIN PERFORM set_config('backtrace_functions', seal, true); END $$",
        &["function_definition"],
    ),
    (
        "another current_tenant",
        "CREATE OR REPLACE FUNCTION tenancy.current_tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
         RETURN '00000000-0000-0000-0000-000000000000'::uuid",
        &["function_definition"],
    ),
    (
        "another authorize",
        "CREATE OR REPLACE FUNCTION tenancy.authorize(kind text, tenant uuid, actor text, session uuid, role text, version int)
         RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$ BEGIN NULL; END $$",
        &["function_definition"],
    ),
    (
        "the authorize that lets all in",
        "CREATE OR REPLACE FUNCTION tenancy.authorize(kind text, tenant uuid, actor text, session uuid, role text, version int)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN;
END
$$;",
        &["authorize_allows_all"],
    ),
    (
        "an authorize that is skipped for a NULL session",
        "ALTER FUNCTION tenancy.authorize(text, uuid, text, uuid, text, int) STRICT",
        &["function_definition"],
    ),
    (
        "a policy's function that hides nothing from an error",
        "ALTER FUNCTION tenancy.allows(text) LEAKPROOF",
        &["function_definition"],
    ),
    (
        "protect for another role unless told otherwise",
        "DO $$ BEGIN EXECUTE replace(pg_get_functiondef('tenancy.protect'::regproc),
            $q$app_role name DEFAULT 'rowhouse_app'$q$, $q$app_role name DEFAULT 'rowhouse_ops'$q$); END $$",
        &["function_definition"],
    ),
    (
        "a door that runs as whoever calls",
        "ALTER FUNCTION directory.join_tenant(uuid, uuid, text, text) SECURITY INVOKER",
        &["function_definer"],
    ),
    (
        "a helper that runs as its owner",
        "ALTER FUNCTION tenancy.authorize(text, uuid, text, uuid, text, int) SECURITY DEFINER",
        &["function_definer"],
    ),
    (
        "a door of the owner",
        "ALTER FUNCTION directory.tenant_by(uuid) OWNER TO rowhouse_owner",
        &["owner"],
    ),
    (
        "a door that is gone",
        "DROP FUNCTION directory.tenant_by(text)",
        &["function_missing"],
    ),
];

#[test]
fn functions_are_missed_when_they_are_not_those_declared() {
    assert_found_and_mended(BREAKAGES);
}

/// A program at night has no sources beside it: what mends a function is in the finding.
#[test]
fn the_definition_of_every_function_is_at_hand() {
    let database = Database::fresh();
    let mut conn = database.superuser();
    conn.batch_execute(
        "DO $$ DECLARE f regprocedure; BEGIN
            FOR f IN SELECT oid FROM pg_proc WHERE oid >= 16384 LOOP
                EXECUTE format('ALTER FUNCTION %s LEAKPROOF', f);
            END LOOP;
         END $$",
    )
    .unwrap();
    let report = examine(&mut conn);
    assert_eq!(
        report.findings().len(),
        report.checked()["functions"],
        "{report}"
    );
    for finding in report.findings() {
        assert_eq!(finding.code, "function_definition");
        conn.batch_execute(&finding.remedy)
            .unwrap_or_else(|e| panic!("{e}: {}", finding.remedy));
    }
    let report = examine(&mut conn);
    assert!(report.is_clean(), "{report}");
}

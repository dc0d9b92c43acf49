//! Everything else that a database can hold.

use crate::breakage::{Breakage, assert_found_and_mended};

pub(crate) const BREAKAGES: &[Breakage] = &[
    (
        "an event trigger",
        "CREATE FUNCTION public.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
         CREATE EVENT TRIGGER on_ddl ON ddl_command_end EXECUTE FUNCTION public.on_ddl()",
        &["function_unknown", "grant_excess", "object_unknown"],
    ),
    (
        "a rule",
        "CREATE RULE quiet AS ON UPDATE TO projects DO INSTEAD NOTHING",
        &["rule"],
    ),
    (
        "a publication",
        "CREATE PUBLICATION everything FOR TABLE projects",
        &["object_unknown"],
    ),
    (
        "a subscription",
        "CREATE SUBSCRIPTION from_elsewhere CONNECTION 'host=nowhere' PUBLICATION p WITH (connect = false)",
        &["object_unknown"],
    ),
    (
        "a foreign table, its server and its wrapper",
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE f (a int) SERVER s",
        &["object_unknown", "table_unknown"],
    ),
    (
        "a type and a domain",
        "CREATE TYPE mood AS ENUM ('sad'); CREATE DOMAIN word AS text; CREATE TYPE pair AS (a int, b int)",
        &["object_unknown"],
    ),
    (
        "a cast",
        "CREATE CAST (text AS uuid) WITH INOUT AS IMPLICIT",
        &["object_unknown"],
    ),
    ("a schema", "CREATE SCHEMA hidden", &["schema_unknown"]),
    ("a large object", "SELECT lo_create(0)", &["object_unknown"]),
    (
        "statistics that span tenants",
        "CREATE STATISTICS names ON name, status FROM projects",
        &["object_unknown"],
    ),
    (
        "a text search dictionary",
        "CREATE TEXT SEARCH DICTIONARY words (TEMPLATE = simple)",
        &["object_unknown"],
    ),
];

#[test]
fn objects_are_missed_when_nobody_declared_them() {
    assert_found_and_mended(BREAKAGES);
}

/// Whether an extension can be made depends on the packages of PostgreSQL.
#[test]
fn an_extension_that_nobody_declared_is_missed() {
    use crate::breakage::examine;
    use diesel::connection::SimpleConnection as _;

    let database = rowhouse_tests::Database::fresh();
    let mut conn = database.superuser();
    if conn.batch_execute("CREATE EXTENSION citext").is_err() {
        return;
    }
    let report = examine(&mut conn);
    let codes: Vec<_> = report
        .findings()
        .iter()
        .map(|finding| (finding.code, finding.object.as_str()))
        .collect();
    assert_eq!(codes, [("object_unknown", "EXTENSION citext")], "{report}");
}

//! Objects of every other kind. Each can carry code or rows past the policies, and a database of
//! this design needs hardly any: what is not declared is a finding.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};

use super::catalog::Catalog;
use super::report::Report;
use crate::error::Error;

pub(super) fn check(
    conn: &mut PgConnection,
    catalog: &Catalog,
    report: &mut Report,
) -> Result<(), Error> {
    let objects: Vec<Object> = diesel::sql_query(OBJECTS).load(conn)?;
    for object in &objects {
        object.judge(catalog, report);
    }
    report.count("other_objects", objects.len());
    Ok(())
}

/// Arrays and row types come with what they belong to; collations can be imported from the
/// system and are only data.
const OBJECTS: &str = "
WITH member AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
object (class, oid) AS (
    SELECT 'pg_extension'::regclass::oid, oid FROM pg_extension
    UNION ALL
    SELECT 'pg_type'::regclass, t.oid FROM pg_type t
    LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE coalesce(c.relkind, 'c') = 'c' AND t.typtype <> 'm'
        AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
    UNION ALL SELECT 'pg_language'::regclass, oid FROM pg_language
    UNION ALL SELECT 'pg_operator'::regclass, oid FROM pg_operator
    UNION ALL SELECT 'pg_opclass'::regclass, oid FROM pg_opclass
    UNION ALL SELECT 'pg_opfamily'::regclass, oid FROM pg_opfamily
    UNION ALL SELECT 'pg_am'::regclass, oid FROM pg_am
    UNION ALL SELECT 'pg_cast'::regclass, oid FROM pg_cast
    UNION ALL SELECT 'pg_transform'::regclass, oid FROM pg_transform
    UNION ALL SELECT 'pg_conversion'::regclass, oid FROM pg_conversion
    UNION ALL SELECT 'pg_ts_config'::regclass, oid FROM pg_ts_config
    UNION ALL SELECT 'pg_ts_dict'::regclass, oid FROM pg_ts_dict
    UNION ALL SELECT 'pg_ts_parser'::regclass, oid FROM pg_ts_parser
    UNION ALL SELECT 'pg_ts_template'::regclass, oid FROM pg_ts_template
    UNION ALL SELECT 'pg_statistic_ext'::regclass, oid FROM pg_statistic_ext
    UNION ALL SELECT 'pg_event_trigger'::regclass, oid FROM pg_event_trigger
    UNION ALL SELECT 'pg_publication'::regclass, oid FROM pg_publication
    UNION ALL SELECT 'pg_subscription'::regclass, oid FROM pg_subscription
        WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid FROM pg_foreign_data_wrapper
    UNION ALL SELECT 'pg_foreign_server'::regclass, oid FROM pg_foreign_server
    UNION ALL SELECT 'pg_largeobject'::regclass, oid FROM pg_largeobject_metadata
    UNION ALL SELECT 'pg_rewrite'::regclass, oid FROM pg_rewrite WHERE rulename <> '_RETURN'
)
SELECT i.type AS kind, i.identity AS name, CASE WHEN o.class = 'pg_rewrite'::regclass THEN
        (SELECT quote_ident(w.rulename) || ' ON ' || format('%I.%I', n.nspname, c.relname)
        FROM pg_rewrite w JOIN pg_class c ON c.oid = w.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE w.oid = o.oid) END AS rule
FROM object o CROSS JOIN LATERAL pg_identify_object(o.class, o.oid, 0) i
WHERE o.oid >= 16384 AND (o.class, o.oid) NOT IN (SELECT * FROM member)
ORDER BY 1, 2";

#[derive(QueryableByName)]
struct Object {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    name: String,
    /// For DROP RULE.
    #[diesel(sql_type = Nullable<Text>)]
    rule: Option<String>,
}

impl Object {
    fn judge(&self, catalog: &Catalog, report: &mut Report) {
        let Self { kind, name, rule } = self;
        if catalog.objects.iter().any(|(k, n)| k == kind && n == name) {
            return;
        }
        let object = format!("{} {name}", kind.to_uppercase());
        match rule {
            Some(rule) => report.find(
                "rule",
                &object,
                "It rewrites statements before any policy or trigger sees them.",
                format!("DROP RULE {rule};"),
            ),
            None => report.find(
                "object_unknown",
                &object,
                format!("The {kind} is not declared."),
                format!("-- declare it in the catalog, or: DROP {object};"),
            ),
        }
    }
}

//! What the planner knows of the values of a table that is declared blind: nothing.

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
    if !catalog.tenant_tables.iter().any(|it| it.blind_statistics) {
        return Ok(());
    }
    let kept: Vec<Kept> = diesel::sql_query(KEPT).load(conn)?;
    for table in catalog
        .tenant_tables
        .iter()
        .filter(|it| it.blind_statistics)
    {
        for kept in kept.iter().filter(|kept| kept.table_name == table.name) {
            let remedy = match &kept.extended {
                Some(name) => format!("DROP STATISTICS {name};"),
                None => table.protect(),
            };
            report.find(
                "statistics_kept",
                &table.name,
                format!(
                    "EXPLAIN tells of all tenants by the statistics of {}.",
                    kept.name
                ),
                remedy,
            );
        }
    }
    Ok(())
}

/// Columns, expressions of indexes, and extended statistics that ANALYZE fills. Up to 16 the usual
/// target is -1, later NULL. What was found before such a target was set, superusers see.
const KEPT: &str = "
SELECT format('%I.%I', n.nspname, c.relname) AS table_name, format('column %I', a.attname) AS name, NULL AS extended
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid >= 16384 AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND coalesce(a.attstattarget, -1) <> 0
UNION ALL
SELECT format('%I.%I', n.nspname, c.relname), format('index %I', x.relname), NULL
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_attribute a ON a.attrelid = x.oid
WHERE c.oid >= 16384 AND i.indkey[a.attnum - 1] = 0 AND coalesce(a.attstattarget, -1) <> 0
UNION ALL
SELECT format('%I.%I', n.nspname, c.relname), format('statistics object %I', e.stxname), format('%I.%I', m.nspname, e.stxname)
FROM pg_statistic_ext e JOIN pg_class c ON c.oid = e.stxrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_namespace m ON m.oid = e.stxnamespace
UNION ALL
SELECT DISTINCT format('%I.%I', n.nspname, c.relname), 'an earlier ANALYZE', NULL
FROM pg_stats s JOIN pg_namespace n ON n.nspname = s.schemaname
    JOIN pg_class x ON x.relnamespace = n.oid AND x.relname = s.tablename
    LEFT JOIN pg_index i ON i.indexrelid = x.oid JOIN pg_class c ON c.oid = coalesce(i.indrelid, x.oid)
ORDER BY 1, 2";

#[derive(QueryableByName)]
struct Kept {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<Text>)]
    extended: Option<String>,
}

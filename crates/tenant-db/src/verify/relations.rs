//! Tables, views and sequences: whether they are declared, who owns them, whether Row-Level
//! Security is on, and the tenant column.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

use super::catalog::{Catalog, OWNER};
use super::report::Report;
use super::tenant_table::TenantTable;
use crate::error::Error;
use crate::level::Level;

pub(super) fn check(
    conn: &mut PgConnection,
    catalog: &Catalog,
    report: &mut Report,
) -> Result<(), Error> {
    let relations: Vec<Relation> = diesel::sql_query(RELATIONS).load(conn)?;
    let columns: Vec<TenantColumn> = diesel::sql_query(COLUMNS).load(conn)?;
    for relation in &relations {
        if relation.inherits {
            report.find(
                "inheritance",
                &relation.name,
                "The table is a partition, a child or a parent of another: each has policies of its own, or none.",
                "-- ALTER TABLE … NO INHERIT …, or DETACH PARTITION",
            );
        }
        match relation.kind.as_str() {
            "view" => view(relation, catalog, report),
            "sequence" => sequence(relation, catalog, report),
            "table" => table(relation, catalog, &columns, report),
            kind => unknown(relation, kind, catalog, report),
        }
    }
    missing(&relations, catalog, report);
    for noun in ["table", "view", "sequence"] {
        let count = relations.iter().filter(|r| r.kind == noun).count();
        report.count(plural(noun), count);
    }
    Ok(())
}

fn plural(noun: &str) -> &'static str {
    match noun {
        "view" => "views",
        "sequence" => "sequences",
        _ => "tables",
    }
}

const RELATIONS: &str = "
SELECT format('%I.%I', n.nspname, c.relname) AS name, quote_ident(r.rolname) AS owner, r.rolsuper AS superuser,
    r.oid = (SELECT datdba FROM pg_database WHERE datname = current_database()) AS owns_database,
    CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
        WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' ELSE 'sequence' END AS kind,
    c.relrowsecurity AS secured, c.relforcerowsecurity AS forced,
    EXISTS (SELECT FROM pg_options_to_table(c.reloptions)
        WHERE option_name = 'security_invoker' AND option_value::bool) AS invoker,
    EXISTS (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)) AS inherits
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't'
    AND c.oid NOT IN (SELECT objid FROM pg_depend WHERE classid = 'pg_class'::regclass AND deptype = 'e')
ORDER BY 1";

#[derive(QueryableByName)]
struct Relation {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    owner: String,
    #[diesel(sql_type = Bool)]
    superuser: bool,
    #[diesel(sql_type = Bool)]
    owns_database: bool,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Bool)]
    secured: bool,
    #[diesel(sql_type = Bool)]
    forced: bool,
    #[diesel(sql_type = Bool)]
    invoker: bool,
    #[diesel(sql_type = Bool)]
    inherits: bool,
}

/// Columns that could name a tenant. From 18 on NOT NULL may stand there unchecked.
const COLUMNS: &str = "
SELECT format('%I.%I', n.nspname, c.relname) AS table_name, quote_ident(a.attname) AS name,
    a.attnotnull AND NOT EXISTS (SELECT FROM pg_constraint k
        WHERE k.conrelid = c.oid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum] AND NOT k.convalidated) AS present
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid >= 16384 AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid = 'uuid'::regtype";

#[derive(QueryableByName)]
struct TenantColumn {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Bool)]
    present: bool,
}

/// Whether whoever runs the migrations where there is no superuser owns it.
fn migrates(relation: &Relation, report: &Report) -> bool {
    relation.owns_database && report.level() == Level::Managed
}

fn table(relation: &Relation, catalog: &Catalog, columns: &[TenantColumn], report: &mut Report) {
    let name = &relation.name;
    if let Some(declared) = catalog.find_tenant_table(name) {
        owner(relation, &declared.owner, report);
        row_security(relation, report);
        tenant_column(declared, columns, report);
    } else if let Some(declared) = catalog.tables.iter().find(|table| table.name == *name) {
        match &declared.owner {
            Some(wanted) => owner(relation, wanted, report),
            None if relation.superuser || migrates(relation, report) => {}
            None => owner(relation, OWNER, report),
        }
    } else {
        let drop = format!("-- or: DROP TABLE {name};");
        let carries = columns
            .iter()
            .any(|column| column.table_name == *name && column.name == "tenant_id");
        let (message, remedy) = if is_record_of_migrations(name) {
            (
                "The record of the migrations is not declared.",
                format!("-- declare it in the catalog: Table::of_migrations(\"{name}\")"),
            )
        } else if carries {
            (
                "The table is not declared, and has a tenant_id: whether it is protected, nobody looked.",
                format!(
                    "-- SELECT tenancy.protect('{name}'), and declare it in the catalog;\n{drop}"
                ),
            )
        } else {
            (
                "The table is not declared.",
                format!("-- declare it in the catalog,\n{drop}"),
            )
        };
        report.find("table_unknown", name, message, remedy);
    }
}

/// Diesel's, in whatever schema: without it every migration would run again.
fn is_record_of_migrations(name: &str) -> bool {
    name.split_once('.')
        .is_some_and(|(_, table)| table == "__diesel_schema_migrations")
}

fn row_security(relation: &Relation, report: &mut Report) {
    let name = &relation.name;
    if !relation.secured {
        report.find(
            "rls_disabled",
            name,
            "Row-Level Security is off: every tenant sees every row.",
            format!("ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;"),
        );
    }
    if !relation.forced {
        report.find(
            "rls_not_forced",
            name,
            "Row-Level Security is not forced: it does not bind the table's owner.",
            format!("ALTER TABLE {name} FORCE ROW LEVEL SECURITY;"),
        );
    }
}

fn tenant_column(declared: &TenantTable, columns: &[TenantColumn], report: &mut Report) {
    let (name, column) = (&declared.name, &declared.tenant_column);
    let found = columns
        .iter()
        .find(|found| found.table_name == *name && found.name == *column);
    match found {
        Some(found) if found.present => {}
        Some(_) => report.find(
            "tenant_column",
            name,
            format!("Its column {column} may be NULL, and then its row is nobody's."),
            format!("ALTER TABLE {name} ALTER COLUMN {column} SET NOT NULL;"),
        ),
        None => report.find(
            "tenant_column",
            name,
            format!("It has no column {column} of type uuid."),
            format!("-- ALTER TABLE {name} ADD COLUMN {column} uuid NOT NULL;"),
        ),
    }
}

fn owner(relation: &Relation, wanted: &str, report: &mut Report) {
    let Relation { name, owner, .. } = relation;
    if owner != wanted {
        let kind = relation.kind.to_uppercase();
        report.find(
            "owner",
            name,
            format!(
                "The {} belongs to {owner}, not to {wanted}: an owner can undo every guard.",
                relation.kind
            ),
            format!("ALTER {kind} {name} OWNER TO {wanted};"),
        );
    }
}

fn view(relation: &Relation, catalog: &Catalog, report: &mut Report) {
    let name = &relation.name;
    if !relation.invoker {
        report.find(
            "view_not_invoker",
            name,
            format!(
                "The view reads with the rights of {}, past the policies and grants of who asks.",
                relation.owner
            ),
            format!("ALTER VIEW {name} SET (security_invoker = true);"),
        );
    }
    match catalog.views.iter().find(|view| view.name == *name) {
        Some(declared) => owner(relation, &declared.owner, report),
        None => report.find(
            "view_unknown",
            name,
            "The view is not declared.",
            format!("-- declare it in the catalog, or: DROP VIEW {name};"),
        ),
    }
}

fn sequence(relation: &Relation, catalog: &Catalog, report: &mut Report) {
    let name = &relation.name;
    match catalog.sequences.iter().find(|s| s.name == *name) {
        Some(declared) => owner(relation, &declared.owner, report),
        None => report.find(
            "sequence_unknown",
            name,
            "The sequence is not declared; one that tenants share tells each what the others do.",
            format!("-- declare it in the catalog, or: DROP SEQUENCE {name};"),
        ),
    }
}

/// Kinds that no policy can guard. Only one that carries no tenant's rows is ever declared.
fn unknown(relation: &Relation, kind: &str, catalog: &Catalog, report: &mut Report) {
    let name = &relation.name;
    let declared = catalog.objects.iter().any(|(k, n)| k == kind && n == name);
    if declared {
        return;
    }
    let (code, drop) = match kind {
        "materialized view" => ("view_unknown", "MATERIALIZED VIEW"),
        "foreign table" => ("table_unknown", "FOREIGN TABLE"),
        _ => ("table_unknown", "TABLE"),
    };
    report.find(
        code,
        name,
        format!("It is a {kind}, which is not declared: no policy guards what it holds."),
        format!("-- declare it in the catalog, or: DROP {drop} {name};"),
    );
}

fn missing(relations: &[Relation], catalog: &Catalog, report: &mut Report) {
    let tables = catalog.tenant_tables.iter().map(|table| &table.name);
    for name in tables.chain(catalog.tables.iter().map(|table| &table.name)) {
        if !relations
            .iter()
            .any(|r| r.kind == "table" && r.name == *name)
        {
            report.find(
                "table_missing",
                name,
                "The table is not there.",
                "-- run the migrations, or restore it from a backup",
            );
        }
    }
}

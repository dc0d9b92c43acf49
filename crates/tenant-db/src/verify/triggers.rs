//! Triggers: those of `tenancy.protect` and those declared, all of them firing.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Text};

use super::catalog::Catalog;
use super::literal;
use super::report::Report;
use super::tenant_table::TenantTable;
use crate::error::Error;

/// The trigger that records changes.
const AUDIT: &str = "tenancy_audit";

pub(super) fn check(
    conn: &mut PgConnection,
    catalog: &Catalog,
    report: &mut Report,
) -> Result<(), Error> {
    let found: Vec<Found> = diesel::sql_query(TRIGGERS).load(conn)?;
    let keys: Vec<Key> = diesel::sql_query(KEYS).load(conn)?;
    let wanted = wanted(catalog, &keys);
    for wanted in &wanted {
        let same = |found: &&Found| found.table_name == wanted.table && found.name == wanted.name;
        let (missing, changed) = if wanted.name == AUDIT {
            ("audit_missing", "audit_changed")
        } else {
            ("trigger_missing", "trigger_changed")
        };

        match found.iter().find(same) {
            None => report.find(
                missing,
                &wanted.table,
                format!("Trigger {} is not there.", wanted.name),
                wanted.remedy.clone(),
            ),
            Some(found) if found.definition != wanted.definition => report.find(
                changed,
                &wanted.table,
                format!(
                    "Trigger {} is not as declared: {}.",
                    found.name, found.definition
                ),
                wanted.remedy.clone(),
            ),
            Some(_) => {}
        }
    }
    for trigger in &found {
        trigger.judge(&wanted, report);
    }
    report.count("triggers", found.iter().filter(|t| !t.internal).count());
    Ok(())
}

/// Internal ones hold foreign keys together; ALTER TABLE … DISABLE TRIGGER ALL stops them too.
const TRIGGERS: &str = "
SELECT format('%I.%I', n.nspname, c.relname) AS table_name, quote_ident(t.tgname) AS name, t.tgisinternal AS internal,
    CASE t.tgname WHEN 'tenancy_audit' THEN t.tgenabled = 'A' ELSE t.tgenabled IN ('O', 'A') END AS fires, pg_get_triggerdef(t.oid) AS definition
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't'
ORDER BY 1, 2";

/// By what an event names a table and its rows.
const KEYS: &str = "
SELECT format('%I.%I', n.nspname, c.relname) AS table_name, c.relname::text AS object_type,
    array_agg(a.attname::text ORDER BY k.position) AS columns
FROM pg_index i
JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, position)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
WHERE i.indisprimary AND i.indrelid >= 16384
GROUP BY 1, 2";

#[derive(QueryableByName)]
struct Key {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    object_type: String,
    #[diesel(sql_type = Array<Text>)]
    columns: Vec<String>,
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Bool)]
    internal: bool,
    #[diesel(sql_type = Bool)]
    fires: bool,
    #[diesel(sql_type = Text)]
    definition: String,
}

impl Found {
    fn judge(&self, wanted: &[Wanted], report: &mut Report) {
        let Self {
            table_name, name, ..
        } = self;

        let declared = wanted
            .iter()
            .any(|wanted| wanted.table == *table_name && wanted.name == *name);
        if !self.internal && !declared {
            report.find(
                "trigger_unknown",
                table_name,
                format!("Trigger {name} is not declared: {}.", self.definition),
                format!("DROP TRIGGER {name} ON {table_name};"),
            );
        } else if !self.fires {
            let (code, part, always) = match (self.internal, name.as_str()) {
                (true, _) => ("trigger_disabled", ", which holds a foreign key,", ""),
                (false, AUDIT) => ("audit_disabled", ", which records changes,", "ALWAYS "),
                (false, _) => ("trigger_disabled", "", ""),
            };
            report.find(
                code,
                table_name,
                format!(
                    "Trigger {name}{part} does not fire{}.",
                    if always.is_empty() { "" } else { " always" }
                ),
                format!("ALTER TABLE {table_name} ENABLE {always}TRIGGER {name};"),
            );
        }
    }
}

struct Wanted {
    table: String,
    name: String,
    definition: String,
    remedy: String,
}

fn wanted(catalog: &Catalog, keys: &[Key]) -> Vec<Wanted> {
    let declared = catalog.triggers.iter().map(|trigger| Wanted {
        table: trigger.table.clone(),
        name: trigger.name.clone(),
        definition: trigger.definition(),
        remedy: trigger
            .definition()
            .replacen("CREATE TRIGGER", "CREATE OR REPLACE TRIGGER", 1)
            + ";",
    });
    let tables = &catalog.tenant_tables;
    let guards = tables.iter().filter(|t| t.is_written()).map(guard_write);
    let audits = tables.iter().filter(|table| table.audited).map(|table| {
        let key = keys.iter().find(|key| key.table_name == table.name);
        audit(table, key)
    });
    guards.chain(audits).chain(declared).collect()
}

/// The trigger that answers TN008, as `tenancy.protect` makes it.
fn guard_write(table: &TenantTable) -> Wanted {
    Wanted {
        table: table.name.clone(),
        name: "tenancy_guard_write".to_owned(),
        definition: format!(
            "CREATE TRIGGER tenancy_guard_write BEFORE INSERT OR DELETE OR UPDATE ON {} FOR EACH STATEMENT \
             EXECUTE FUNCTION tenancy.guard_write('{}', {})",
            table.name,
            table.write_role,
            literal(table.door.as_deref().unwrap_or_default())
        ),
        remedy: table.protect(),
    }
}

/// The trigger that records changes, as `tenancy.protect` makes it. A table without a primary key
/// has a finding of its own.
fn audit(table: &TenantTable, key: Option<&Key>) -> Wanted {
    let tenant_column = bare(&table.tenant_column);
    let (object_type, columns) = key.map_or(("", &[][..]), |key| {
        (key.object_type.as_str(), key.columns.as_slice())
    });
    let keys: Vec<&str> = columns
        .iter()
        .map(String::as_str)
        .filter(|column| columns.len() == 1 || *column != tenant_column)
        .collect();
    let redact: Vec<&str> = table.redact.iter().map(|column| bare(column)).collect();
    let unaudited: Vec<&str> = std::iter::once(tenant_column)
        .chain(table.unaudited_columns.iter().map(|column| bare(column)))
        .collect();
    Wanted {
        table: table.name.clone(),
        name: AUDIT.to_owned(),
        definition: format!(
            "CREATE TRIGGER tenancy_audit AFTER INSERT OR DELETE OR UPDATE ON {} FOR EACH ROW \
             EXECUTE FUNCTION tenancy.record_event({}, {}, {}, {}, {})",
            table.name,
            literal(object_type),
            literal(tenant_column),
            array(&keys),
            array(&redact),
            array(&unaudited)
        ),
        remedy: table.protect(),
    }
}

/// A name as the system catalogs have it, which need no quotes.
fn bare(name: &str) -> &str {
    name.trim_matches('"')
}

/// As PostgreSQL writes an array of names, in a literal.
fn array(names: &[&str]) -> String {
    let quoted = names.iter().map(|name| {
        let is_plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !name.eq_ignore_ascii_case("null");
        if is_plain {
            (*name).to_owned()
        } else {
            format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
        }
    });
    literal(&format!("{{{}}}", quoted.collect::<Vec<_>>().join(",")))
}

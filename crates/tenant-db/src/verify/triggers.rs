//! Triggers: the one of `tenancy.protect` and those declared, all of them firing.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

use super::catalog::Catalog;
use super::literal;
use super::report::Report;
use super::tenant_table::TenantTable;
use crate::error::Error;

pub(super) fn check(
    conn: &mut PgConnection,
    catalog: &Catalog,
    report: &mut Report,
) -> Result<(), Error> {
    let found: Vec<Found> = diesel::sql_query(TRIGGERS).load(conn)?;
    let wanted = wanted(catalog);
    for wanted in &wanted {
        let same = |found: &&Found| found.table_name == wanted.table && found.name == wanted.name;

        match found.iter().find(same) {
            None => report.find(
                "trigger_missing",
                &wanted.table,
                format!("Trigger {} is not there.", wanted.name),
                wanted.remedy.clone(),
            ),
            Some(found) if found.definition != wanted.definition => report.find(
                "trigger_changed",
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
    t.tgenabled IN ('O', 'A') AS fires, pg_get_triggerdef(t.oid) AS definition
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't'
ORDER BY 1, 2";

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
            let part = if self.internal {
                ", which holds a foreign key,"
            } else {
                ""
            };
            report.find(
                "trigger_disabled",
                table_name,
                format!("Trigger {name}{part} does not fire."),
                format!("ALTER TABLE {table_name} ENABLE TRIGGER {name};"),
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

fn wanted(catalog: &Catalog) -> Vec<Wanted> {
    let declared = catalog.triggers.iter().map(|trigger| Wanted {
        table: trigger.table.clone(),
        name: trigger.name.clone(),
        definition: trigger.definition(),
        remedy: trigger
            .definition()
            .replacen("CREATE TRIGGER", "CREATE OR REPLACE TRIGGER", 1)
            + ";",
    });
    catalog
        .tenant_tables
        .iter()
        .map(guard_write)
        .chain(declared)
        .collect()
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

//! Foreign keys. PostgreSQL checks them past every policy: one that does not carry the tenant on
//! both sides lets a tenant point at a neighbour's row.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Text};

use super::catalog::Catalog;
use super::report::Report;
use crate::error::Error;

pub(super) fn check(
    conn: &mut PgConnection,
    catalog: &Catalog,
    report: &mut Report,
) -> Result<(), Error> {
    let keys: Vec<ForeignKey> = diesel::sql_query(FOREIGN_KEYS).load(conn)?;
    for key in &keys {
        if let Some(remedy) = key.crossing(catalog) {
            report.find(
                "foreign_key_plain",
                &key.source,
                format!(
                    "Foreign key {} does not begin with the tenant on both sides: {}.",
                    key.name, key.definition
                ),
                remedy,
            );
        }
        if !key.harmless {
            report.find(
                "foreign_key_action",
                &key.source,
                format!(
                    "Foreign key {} sets columns of rows that nobody wrote: {}.",
                    key.name, key.definition
                ),
                key.replacement(&key.columns, &key.target_columns, ""),
            );
        }
        if !key.enforced {
            report.find(
                "foreign_key_not_enforced",
                &key.source,
                format!("Foreign key {} is not enforced.", key.name),
                format!(
                    "ALTER TABLE {} ALTER CONSTRAINT {} ENFORCED;",
                    key.source, key.name
                ),
            );
        } else if !key.valid {
            report.find(
                "foreign_key_not_enforced",
                &key.source,
                format!(
                    "Foreign key {} was never checked for the rows that were there before it.",
                    key.name
                ),
                format!(
                    "ALTER TABLE {} VALIDATE CONSTRAINT {};",
                    key.source, key.name
                ),
            );
        }
    }
    report.count("foreign_keys", keys.len());
    Ok(())
}

/// `conenforced` came with PostgreSQL 18.
const FOREIGN_KEYS: &str = "
SELECT quote_ident(k.conname) AS name,
    format('%I.%I', sn.nspname, s.relname) AS source, format('%I.%I', tn.nspname, t.relname) AS target,
    ARRAY(SELECT quote_ident(a.attname) FROM unnest(k.conkey) WITH ORDINALITY AS key (number, position)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = key.number ORDER BY key.position) AS columns,
    ARRAY(SELECT quote_ident(a.attname) FROM unnest(k.confkey) WITH ORDINALITY AS key (number, position)
        JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = key.number ORDER BY key.position)
        AS target_columns,
    k.confdeltype IN ('a', 'r', 'c') AND k.confupdtype IN ('a', 'r', 'c') AS harmless,
    k.confdeltype = 'c' AS cascades,
    EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attname = 'tenant_id'
        AND a.atttypid = 'uuid'::regtype AND NOT a.attisdropped) AS names_tenant,
    k.convalidated AS valid, coalesce((to_jsonb(k) ->> 'conenforced')::bool, true) AS enforced,
    pg_get_constraintdef(k.oid) AS definition
FROM pg_constraint k
JOIN pg_class s ON s.oid = k.conrelid JOIN pg_namespace sn ON sn.oid = s.relnamespace
JOIN pg_class t ON t.oid = k.confrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace
WHERE k.contype = 'f' AND s.relpersistence <> 't'
ORDER BY 2, 1";

#[derive(QueryableByName)]
struct ForeignKey {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    source: String,
    #[diesel(sql_type = Text)]
    target: String,
    #[diesel(sql_type = Array<Text>)]
    columns: Vec<String>,
    #[diesel(sql_type = Array<Text>)]
    target_columns: Vec<String>,
    #[diesel(sql_type = Bool)]
    harmless: bool,
    #[diesel(sql_type = Bool)]
    cascades: bool,
    /// Whether its table has a tenant_id.
    #[diesel(sql_type = Bool)]
    names_tenant: bool,
    #[diesel(sql_type = Bool)]
    valid: bool,
    #[diesel(sql_type = Bool)]
    enforced: bool,
    #[diesel(sql_type = Text)]
    definition: String,
}

impl ForeignKey {
    /// What mends it, if it may cross from one tenant to another.
    fn crossing(&self, catalog: &Catalog) -> Option<String> {
        let source = catalog.find_tenant_table(&self.source);
        let target = catalog.find_tenant_table(&self.target);
        let led = |columns: &[String], column: &String| columns.first() == Some(column);
        match (source, target) {
            (None, None) => None,
            (Some(source), None) => (!source.global_references.contains(&self.name)).then(|| {
                format!(
                    "-- declare it in the catalog, if no tenant may write it, or: ALTER TABLE {} DROP CONSTRAINT {};",
                    self.source, self.name
                )
            }),
            // A table without tenants still names the tenant of the row that it means.
            (None, Some(target)) => {
                (!led(&self.target_columns, &target.tenant_column)).then(|| {
                    if self.names_tenant {
                        self.composite("tenant_id", &target.tenant_column)
                    } else {
                        format!(
                            "-- refer to {} by ({}, …)",
                            self.target, target.tenant_column
                        )
                    }
                })
            }
            (Some(source), Some(target)) => {
                let holds = led(&self.columns, &source.tenant_column)
                    && led(&self.target_columns, &target.tenant_column);
                (!holds).then(|| self.composite(&source.tenant_column, &target.tenant_column))
            }
        }
    }

    /// The same key with the tenant in front, on both sides.
    fn composite(&self, column: &str, target_column: &str) -> String {
        let action = if self.cascades {
            " ON DELETE CASCADE"
        } else {
            ""
        };
        self.replacement(
            &with_first(&self.columns, column),
            &with_first(&self.target_columns, target_column),
            action,
        )
    }

    fn replacement(&self, columns: &[String], target_columns: &[String], action: &str) -> String {
        let Self {
            source,
            name,
            target,
            ..
        } = self;
        let sql = format!(
            "ALTER TABLE {source} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} FOREIGN KEY ({}) \
             REFERENCES {target} ({}){action};",
            columns.join(", "),
            target_columns.join(", ")
        );
        if columns.len() == target_columns.len() {
            sql
        } else {
            format!("-- {sql}")
        }
    }
}

/// The same columns, this one in front.
fn with_first(columns: &[String], first: &str) -> Vec<String> {
    let others = columns.iter().filter(|column| *column != first).cloned();
    std::iter::once(first.to_owned()).chain(others).collect()
}

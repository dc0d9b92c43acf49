//! Primary keys, unique keys and indexes of tenant tables: each begins with the tenant column.
//! A unique key that does not tells a tenant what the others have.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Nullable, Text};

use super::catalog::Catalog;
use super::report::Report;
use super::tenant_table::TenantTable;
use crate::error::Error;

pub(super) fn check(
    conn: &mut PgConnection,
    catalog: &Catalog,
    report: &mut Report,
) -> Result<(), Error> {
    let indexes: Vec<Index> = diesel::sql_query(INDEXES).load(conn)?;
    for index in &indexes {
        if !index.valid {
            report.find(
                "index_invalid",
                &index.table_name,
                format!("Index {} is not valid: it enforces nothing.", index.name),
                format!("REINDEX INDEX {};", index.name),
            );
        }
        if let Some(table) = catalog.find_tenant_table(&index.table_name) {
            index.judge(table, report);
        }
    }
    for table in &catalog.tenant_tables {
        let keyed = indexes
            .iter()
            .any(|i| i.primary && i.table_name == table.name);
        if !keyed {
            report.find(
                "primary_key",
                &table.name,
                "The table has no primary key.",
                format!(
                    "ALTER TABLE {} ADD PRIMARY KEY ({});",
                    table.name,
                    usual_key(table)
                ),
            );
        }
    }
    report.count("indexes", indexes.len());
    Ok(())
}

fn usual_key(table: &TenantTable) -> String {
    match table.tenant_column.as_str() {
        "id" => "id".to_owned(),
        column => format!("{column}, id"),
    }
}

const INDEXES: &str = "
SELECT format('%I.%I', n.nspname, c.relname) AS name, format('%I.%I', tn.nspname, t.relname) AS table_name,
    quote_ident(k.conname) AS constraint_name, i.indisprimary AS primary, i.indisunique AS unique,
    i.indisvalid AS valid, pg_get_indexdef(i.indexrelid) AS definition,
    ARRAY(SELECT coalesce(quote_ident(a.attname), '')
        FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS key (number, position)
        LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = key.number
        WHERE key.position <= i.indnkeyatts ORDER BY key.position) AS columns,
    i.indisexclusion AS exclusion,
    coalesce((SELECT o.oprname <> '=' FROM pg_operator o WHERE o.oid = k.conexclop[1]), false) AS across
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace
LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
WHERE i.indrelid >= 16384 AND t.relkind = 'r' AND t.relpersistence <> 't'
ORDER BY 2, 1";

#[derive(QueryableByName)]
struct Index {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Nullable<Text>)]
    constraint_name: Option<String>,
    #[diesel(sql_type = Bool)]
    primary: bool,
    #[diesel(sql_type = Bool)]
    unique: bool,
    #[diesel(sql_type = Bool)]
    valid: bool,
    #[diesel(sql_type = Text)]
    definition: String,
    /// An expression is an empty string.
    #[diesel(sql_type = Array<Text>)]
    columns: Vec<String>,
    #[diesel(sql_type = Bool)]
    exclusion: bool,
    /// An exclusion that compares its first column by anything but equality.
    #[diesel(sql_type = Bool)]
    across: bool,
}

impl Index {
    fn judge(&self, table: &TenantTable, report: &mut Report) {
        let leads = self.columns.first() == Some(&table.tenant_column) && !self.across;
        let declared = table
            .spanning_indexes
            .iter()
            .any(|name| self.name.ends_with(&format!(".{name}")));
        if leads || declared {
            return;
        }
        let (code, noun, why) = if self.primary {
            ("primary_key", "Primary key", "it lets two tenants collide")
        } else if self.unique || self.exclusion {
            (
                "unique_key",
                "Unique key",
                "a tenant learns what others have",
            )
        } else {
            (
                "index_order",
                "Index",
                "it is read past other tenants' rows",
            )
        };
        report.find(
            code,
            &table.name,
            format!(
                "{noun} {} does not begin with {}: {why}.",
                self.name, table.tenant_column
            ),
            self.remedy(table),
        );
    }

    fn remedy(&self, table: &TenantTable) -> String {
        let column = &table.tenant_column;
        let others = self.columns.iter().filter(|other| *other != column);
        let columns: Vec<&str> = std::iter::once(column)
            .chain(others)
            .map(String::as_str)
            .collect();
        let columns = columns.join(", ");
        match &self.constraint_name {
            Some(constraint) if !self.exclusion => {
                let kind = if self.primary {
                    "PRIMARY KEY"
                } else {
                    "UNIQUE"
                };
                format!(
                    "ALTER TABLE {0} DROP CONSTRAINT {constraint}, ADD CONSTRAINT {constraint} {kind} ({columns});",
                    table.name
                )
            }
            None if self.definition.contains(" USING btree (") => format!(
                "DROP INDEX {};\n{};",
                self.name,
                self.definition
                    .replacen(" USING btree (", &format!(" USING btree ({column}, "), 1)
            ),
            _ => format!("-- make it anew with {column} first: {}", self.definition),
        }
    }
}

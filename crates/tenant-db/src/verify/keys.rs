//! Declared foreign keys, keys and indexes: whether they are there, and as declared. What they must be like
//! whoever declares them is in `foreign_keys.rs` and `indexes.rs`.

use std::collections::BTreeSet;

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

use super::catalog::Catalog;
use super::report::Report;
use crate::error::Error;

/// A foreign key, primary key or unique key, as `ALTER TABLE … ADD CONSTRAINT` takes it.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) table: String,
    pub(super) name: String,
    pub(super) definition: String,
}

/// An index that is no key.
#[derive(Debug, Clone)]
pub(super) struct Index {
    pub(super) table: String,
    pub(super) name: String,
    pub(super) unique: bool,
    /// From the method on: `btree (a, b)`.
    pub(super) columns: String,
}

impl Key {
    fn is_foreign(&self) -> bool {
        self.definition.starts_with("FOREIGN KEY ")
    }

    /// The table that a foreign key points at.
    fn target(&self) -> Option<&str> {
        let (_, target) = self.definition.split_once(" REFERENCES ")?;
        Some(target.split_once('(')?.0)
    }

    fn codes(&self) -> (&'static str, &'static str, &'static str) {
        if self.is_foreign() {
            ("foreign_key_missing", "foreign_key_changed", "Foreign key")
        } else {
            ("key_missing", "key_changed", "Key")
        }
    }

    /// What is said when it is not there.
    pub(super) fn missing(&self) -> &'static str {
        self.codes().0
    }

    fn judge(&self, found: Option<&Found>, report: &mut Report) {
        let Self {
            table,
            name,
            definition,
        } = self;
        let (missing, changed, noun) = self.codes();
        match found {
            None => report.find(
                missing,
                table,
                format!("{noun} {name} is not there: {definition}."),
                format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition};"),
            ),
            Some(found) if found.definition != *definition => report.find(
                changed,
                table,
                format!("{noun} {name} is not as declared: {}.", found.definition),
                format!(
                    "ALTER TABLE {table} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} {definition};"
                ),
            ),
            Some(_) => {}
        }
    }
}

impl Index {
    /// As `pg_get_indexdef` writes it.
    pub(super) fn definition(&self) -> String {
        let Self {
            table,
            name,
            unique,
            columns,
        } = self;
        let unique = if *unique { "UNIQUE " } else { "" };
        format!("CREATE {unique}INDEX {name} ON {table} USING {columns}")
    }

    /// An index lies in the schema of its table.
    pub(super) fn full_name(&self) -> String {
        let schema = self.table.rsplit_once('.').map_or("", |(schema, _)| schema);
        format!("{schema}.{}", self.name)
    }

    fn judge(&self, found: Option<&Found>, report: &mut Report) {
        let (name, definition) = (&self.name, self.definition());
        match found {
            None => report.find(
                "index_missing",
                &self.table,
                format!("Index {name} is not there."),
                format!("{definition};"),
            ),
            Some(found) if found.definition != definition => report.find(
                "index_changed",
                &self.table,
                format!("Index {name} is not as declared: {}.", found.definition),
                format!("DROP INDEX {};\n{definition};", self.full_name()),
            ),
            Some(_) => {}
        }
    }
}

/// Leaves alone what hangs on a table that is missing itself, and what was found to be broken by the rules
/// for all.
pub(super) fn check(
    conn: &mut PgConnection,
    catalog: &Catalog,
    report: &mut Report,
) -> Result<(), Error> {
    let found: Vec<Found> = diesel::sql_query(FOUND).load(conn)?;
    let tables: BTreeSet<&str> = found.iter().map(|it| it.table_name.as_str()).collect();
    let known: BTreeSet<(String, String)> = report
        .findings()
        .iter()
        .filter(|finding| RULES.contains(&finding.code))
        .map(|finding| (finding.object.clone(), finding.message.clone()))
        .collect();
    let is_known = |table: &str, name: &str| {
        let words = [format!(" {name} "), format!(".{name} ")];
        known.iter().any(|(object, message)| {
            object == table && words.iter().any(|word| message.contains(word))
        })
    };
    let find = |table: &str, name: &str| {
        found
            .iter()
            .find(|it| it.table_name == table && it.name.as_deref() == Some(name))
    };
    for key in &catalog.keys {
        let stands = tables.contains(key.table.as_str())
            && key.target().is_none_or(|target| tables.contains(target));
        if stands && !is_known(&key.table, &key.name) {
            key.judge(find(&key.table, &key.name), report);
        }
    }
    for index in &catalog.indexes {
        let full_name = index.full_name();
        if tables.contains(index.table.as_str()) && !is_known(&index.table, &index.name) {
            index.judge(find(&index.table, &full_name), report);
        }
    }
    report.count("keys", catalog.keys.len());
    Ok(())
}

/// A broken key of these has its finding, and its remedy.
const RULES: &[&str] = &[
    "foreign_key_action",
    "foreign_key_not_enforced",
    "foreign_key_plain",
    "index_order",
    "unique_key",
];

/// Every table, and its constraints and indexes.
const FOUND: &str = "
SELECT format('%I.%I', n.nspname, c.relname) AS table_name, NULL::text AS name, '' AS definition
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid >= 16384 AND c.relkind = 'r'
UNION ALL
SELECT format('%I.%I', n.nspname, c.relname), quote_ident(k.conname), pg_get_constraintdef(k.oid)
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid >= 16384 AND k.contype IN ('f', 'p', 'u')
UNION ALL
SELECT format('%I.%I', n.nspname, c.relname), format('%I.%I', m.nspname, x.relname), pg_get_indexdef(i.indexrelid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_namespace m ON m.oid = x.relnamespace
WHERE c.oid >= 16384 AND c.relkind = 'r'";

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = diesel::sql_types::Nullable<Text>)]
    name: Option<String>,
    #[diesel(sql_type = Text)]
    definition: String,
}

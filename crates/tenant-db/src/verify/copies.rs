//! Private copies: tables that triggers keep from others, such as what `tenancy.authorize` knows of
//! members. A trigger that was off for a while, or an owner who wrote a copy by hand, leaves no trace but in
//! the rows. So these are compared, which costs a reading of both tables, and is done when it is asked for.

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};

use super::catalog::Catalog;
use super::report::Report;
use crate::as_application::sees_past_policies;
use crate::error::Error;

/// A table that triggers keep from another one.
#[derive(Debug, Clone)]
pub struct PrivateCopy {
    table: String,
    source: String,
    query: String,
    reader: String,
}

impl PrivateCopy {
    /// A copy, what it is made of, and a query that answers with all that must be in it: every column, by
    /// its name.
    #[must_use]
    pub fn new(table: &str, source: &str, query: &str) -> Self {
        Self {
            table: table.to_owned(),
            source: source.to_owned(),
            query: query.to_owned(),
            reader: "rowhouse_owner".to_owned(),
        }
    }

    /// Who may run the query past the policies of the source where there is no superuser: its door. Without
    /// policies the owner may.
    #[must_use]
    pub fn read_by(mut self, role: &str) -> Self {
        self.reader = role.to_owned();
        self
    }

    fn examine(&self, conn: &mut PgConnection, report: &mut Report) -> Result<(), Error> {
        let shape: Shape = diesel::sql_query(SHAPE)
            .bind::<Text, _>(&self.table)
            .bind::<Text, _>(&self.source)
            .get_result(conn)?;
        // What is missing there has its own finding.
        if !shape.exists || shape.key.is_empty() {
            return Ok(());
        }
        let drift = conn.transaction(|conn| {
            if !sees_past_policies(conn)? {
                let Self { table, reader, .. } = self;
                conn.batch_execute(&format!(
                    "GRANT SELECT ON {table} TO {reader}; SET LOCAL ROLE {reader}"
                ))?;
            }
            // Right away and whatever it says, so that the right is nobody's.
            let drift = diesel::sql_query(self.comparison(&shape)).get_result::<Drift>(conn)?;
            Err::<(), _>(Undone::Drift(drift))
        });
        let drift = match drift {
            Err(Undone::Drift(drift)) => drift,
            Err(Undone::Failed(error)) => return Err(error.into()),
            Ok(()) => return Ok(()),
        };
        report.count(
            "copied_rows",
            usize::try_from(drift.compared).unwrap_or(usize::MAX),
        );
        if drift.missing + drift.stray + drift.changed > 0 {
            report.find(
                "copy_drifted",
                &self.table,
                format!(
                    "The copy of {} lacks {} rows, has {} too many, and {} differ; the first: ({}) = {}.",
                    self.source,
                    drift.missing,
                    drift.stray,
                    drift.changed,
                    shape.key.join(", "),
                    drift.examples.unwrap_or_default().join(", "),
                ),
                self.remedy(&shape),
            );
        }
        Ok(())
    }

    /// Both tables are read once, at one moment.
    fn comparison(&self, shape: &Shape) -> String {
        let Self { table, query, .. } = self;
        let columns = shape.columns.join(", ");
        let first = shape.key.first().map_or("", String::as_str);
        format!(
            "WITH made AS (SELECT {columns} FROM ({query}) AS source), kept AS (SELECT {columns} FROM {table}),
             difference AS (
                 SELECT m.{first} IS NULL AS stray, k.{first} IS NULL AS missing,
                     concat('(', concat_ws(', ', {example}), ')') AS example
                 FROM made m FULL JOIN kept k ON {same_key} WHERE {is_same} IS NOT TRUE
             )
             SELECT (SELECT count(*) FROM kept) AS compared,
                 count(*) FILTER (WHERE missing) AS missing, count(*) FILTER (WHERE stray) AS stray,
                 count(*) FILTER (WHERE NOT missing AND NOT stray) AS changed,
                 (array_agg(example ORDER BY example))[1:3] AS examples
             FROM difference",
            example = shape.each_key("coalesce(m.{}, k.{})", ", "),
            same_key = shape.each_key("m.{} = k.{}", " AND "),
            is_same = shape.is_same(),
        )
    }

    /// Nobody may change the source in between, or the copy would be put back to what it was before.
    fn remedy(&self, shape: &Shape) -> String {
        let Self {
            table,
            source,
            query,
            ..
        } = self;
        let columns = shape.columns.join(", ");
        let (before, after) = if shape.forced {
            (
                format!("ALTER TABLE {source} NO FORCE ROW LEVEL SECURITY;"),
                format!("\n    ALTER TABLE {source} FORCE ROW LEVEL SECURITY;"),
            )
        } else {
            (format!("LOCK TABLE {source} IN SHARE MODE;"), String::new())
        };
        format!(
            "DO $mend$
BEGIN
    {before}
    DELETE FROM {table} AS k WHERE NOT EXISTS (SELECT FROM ({query}) AS m WHERE {same_key} AND {is_same});
    INSERT INTO {table} ({columns}) SELECT {columns} FROM ({query}) AS m
        WHERE NOT EXISTS (SELECT FROM {table} AS k WHERE {same_key});{after}
END
$mend$;",
            same_key = shape.each_key("m.{} = k.{}", " AND "),
            is_same = shape.is_same(),
        )
    }
}

pub(super) fn check(
    conn: &mut PgConnection,
    catalog: &Catalog,
    report: &mut Report,
) -> Result<(), Error> {
    for copy in &catalog.copies {
        copy.examine(conn, report)?;
    }
    Ok(())
}

const SHAPE: &str = "
SELECT to_regclass($1) IS NOT NULL AND to_regclass($2) IS NOT NULL AS exists,
    coalesce((SELECT relforcerowsecurity FROM pg_class WHERE oid = to_regclass($2)), false) AS forced,
    ARRAY(SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0
        AND NOT attisdropped ORDER BY attnum) AS columns,
    ARRAY(SELECT quote_ident(a.attname) FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) AS k (number)
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
        WHERE i.indrelid = to_regclass($1) AND i.indisprimary) AS key";

#[derive(QueryableByName)]
struct Shape {
    #[diesel(sql_type = Bool)]
    exists: bool,
    /// Whether policies bind the owner of the source too.
    #[diesel(sql_type = Bool)]
    forced: bool,
    #[diesel(sql_type = Array<Text>)]
    columns: Vec<String>,
    #[diesel(sql_type = Array<Text>)]
    key: Vec<String>,
}

impl Shape {
    fn each_key(&self, template: &str, between: &str) -> String {
        let parts: Vec<String> = self
            .key
            .iter()
            .map(|it| template.replace("{}", it))
            .collect();
        parts.join(between)
    }

    fn is_same(&self) -> String {
        let of = |alias: &str| {
            let columns = self
                .columns
                .iter()
                .map(|column| format!("{alias}.{column}"));
            columns.collect::<Vec<_>>().join(", ")
        };
        format!("(ROW({}) IS NOT DISTINCT FROM ROW({}))", of("m"), of("k"))
    }
}

#[derive(QueryableByName)]
struct Drift {
    #[diesel(sql_type = BigInt)]
    compared: i64,
    #[diesel(sql_type = BigInt)]
    missing: i64,
    #[diesel(sql_type = BigInt)]
    stray: i64,
    #[diesel(sql_type = BigInt)]
    changed: i64,
    #[diesel(sql_type = Nullable<Array<Text>>)]
    examples: Option<Vec<String>>,
}

/// How a comparison ends: always with a rollback.
enum Undone {
    Drift(Drift),
    Failed(diesel::result::Error),
}

impl From<diesel::result::Error> for Undone {
    fn from(error: diesel::result::Error) -> Self {
        Self::Failed(error)
    }
}

//! What a migration takes with it when it is reverted. The database is asked: the migration is
//! reverted, what is missing then is looked up, and all that is undone.

use std::collections::BTreeSet;
use std::fmt;

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sql_types::{BigInt, Oid, SmallInt, Text};

use crate::error::Error;

/// What is gone for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// `rows of` a table or `values of` a column, as SQL writes them.
    pub of: String,
    /// How many rows, or how many of them that hold a value there.
    pub rows: i64,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.rows, self.of)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, QueryableByName)]
struct Column {
    #[diesel(sql_type = Oid)]
    table: u32,
    #[diesel(sql_type = SmallInt)]
    number: i16,
    /// Quoted, with its schema.
    #[diesel(sql_type = Text)]
    of: String,
    #[diesel(sql_type = Text)]
    name: String,
    /// Quoted.
    #[diesel(sql_type = Text)]
    owner: String,
}

const COLUMNS: &str = "SELECT c.oid AS table, a.attnum AS number, format('%I.%I', n.nspname, c.relname) AS of, \
    quote_ident(a.attname) AS name, quote_ident(pg_get_userbyid(c.relowner)) AS owner \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
    WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
    AND c.relname <> '__diesel_schema_migrations' ORDER BY 1, 2";

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// What `revert` would lose, inside the caller's transaction: nothing is lost, and nobody adds to it
/// until that ends.
pub(super) fn of(
    conn: &mut PgConnection,
    revert: impl FnOnce(&mut PgConnection) -> Result<(), Error>,
) -> Result<Vec<Loss>, Error> {
    let before = columns(conn)?;
    let (after, deleted) = undone(conn, |conn| {
        revert(conn)?;
        Ok((columns(conn)?, deleted(conn)?))
    })?;
    let kept: BTreeSet<(u32, i16)> = after.iter().map(|it| (it.table, it.number)).collect();
    let tables: BTreeSet<u32> = after.iter().map(|it| it.table).collect();
    let mut losses = deleted;
    let mut counted = BTreeSet::new();
    for column in &before {
        if !tables.contains(&column.table) {
            if counted.insert(column.table) {
                losses.push(count(conn, column, "*", format!("rows of {}", column.of))?);
            }
        } else if !kept.contains(&(column.table, column.number)) {
            let of = format!("values of {}.{}", column.of, column.name);
            losses.push(count(conn, column, &column.name, of)?);
        }
    }
    losses.retain(|loss| loss.rows > 0);
    Ok(losses)
}

fn columns(conn: &mut PgConnection) -> Result<Vec<Column>, Error> {
    Ok(diesel::sql_query(COLUMNS).load(conn)?)
}

/// Rows that this transaction has deleted from tables that are still there.
fn deleted(conn: &mut PgConnection) -> Result<Vec<Loss>, Error> {
    #[derive(QueryableByName)]
    struct Deleted {
        #[diesel(sql_type = Text)]
        of: String,
        #[diesel(sql_type = BigInt)]
        rows: i64,
    }
    let found: Vec<Deleted> = diesel::sql_query(
        "SELECT format('%I.%I', n.nspname, c.relname) AS of, pg_stat_get_xact_tuples_deleted(c.oid) AS rows
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
             AND c.relname <> '__diesel_schema_migrations'
         ORDER BY 1",
    )
    .load(conn)?;
    let loss = |it: Deleted| Loss {
        of: format!("rows of {}", it.of),
        rows: it.rows,
    };
    Ok(found.into_iter().map(loss).collect())
}

/// As the table's owner without FORCE, since policies bind everybody else but a superuser.
fn count(conn: &mut PgConnection, column: &Column, what: &str, of: String) -> Result<Loss, Error> {
    let Column {
        owner, of: table, ..
    } = column;
    conn.batch_execute(&format!(
        "SET LOCAL ROLE {owner}; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; SET LOCAL ROLE NONE"
    ))?;
    let row: Count = undone(conn, |conn| {
        conn.batch_execute(&format!(
            "SET LOCAL ROLE {owner}; ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY"
        ))?;
        let query = format!("SELECT count({what}) AS count FROM {table}");
        Ok(diesel::sql_query(query).get_result(conn)?)
    })?;
    Ok(Loss {
        of,
        rows: row.count,
    })
}

/// The answer of `work`, of which nothing else is left.
fn undone<T>(
    conn: &mut PgConnection,
    work: impl FnOnce(&mut PgConnection) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut answer = None;
    let ended = conn.transaction(|conn| -> Result<(), Error> {
        answer = Some(work(conn)?);
        Err(Error::from(DieselError::RollbackTransaction))
    });
    match (answer, ended) {
        (Some(answer), _) => Ok(answer),
        (None, Err(error)) => Err(error),
        (None, Ok(())) => Err(Error::from(DieselError::RollbackTransaction)),
    }
}

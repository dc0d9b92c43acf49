//! What runs by the clock, on one server at a time: when it ran last, reached by `rowhouse_auth`
//! only.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Text};

use crate::error::Error;
use crate::schema::schedule;

/// Whether a scheduled thing is to run now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Turn {
    /// It is, and until the transaction ends no other server runs it.
    Now,
    /// Not for so many seconds more.
    In(f64),
    /// Another server runs it right now.
    Elsewhere,
}

/// Asks for the turn, without waiting.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn take_turn(
    conn: &mut PgConnection,
    name: &str,
    period_seconds: i64,
) -> Result<Turn, Error> {
    let mut due = find_due(conn, name, period_seconds)?;
    if due.is_none() {
        diesel::insert_into(schedule::table)
            .values(schedule::name.eq(name))
            .on_conflict_do_nothing()
            .execute(conn)?;
        due = find_due(conn, name, period_seconds)?;
    }
    let Some(due) = due else {
        return Ok(Turn::Elsewhere);
    };
    Ok(if due.seconds > 0.0 {
        Turn::In(due.seconds)
    } else {
        Turn::Now
    })
}

/// Notes a run. One that left something to do is due again at once.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn note_run(
    conn: &mut PgConnection,
    name: &str,
    is_finished: bool,
) -> Result<(), Error> {
    let row = diesel::update(schedule::table.find(name));
    let runs = schedule::runs.eq(schedule::runs + 1);
    if is_finished {
        row.set((runs, schedule::last_run_at.eq(diesel::dsl::now)))
            .execute(conn)?;
    } else {
        row.set(runs).execute(conn)?;
    }
    Ok(())
}

/// Holds the row, which no tenant's SQL reaches, until the transaction ends; `None` when there is
/// none or another server holds it.
fn find_due(
    conn: &mut PgConnection,
    name: &str,
    period_seconds: i64,
) -> Result<Option<DueRow>, diesel::result::Error> {
    diesel::sql_query(
        "SELECT greatest(0, extract(epoch FROM last_run_at - now()) + $1)::float8 AS seconds
         FROM schedule WHERE name = $2 FOR UPDATE SKIP LOCKED",
    )
    .bind::<BigInt, _>(period_seconds)
    .bind::<Text, _>(name)
    .get_result(conn)
    .optional()
}

#[derive(QueryableByName)]
struct DueRow {
    #[diesel(sql_type = Double)]
    seconds: f64,
}

//! The schema's history: what ran, what is to come, forwards and backwards.

use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

use crate::error::Error;

mod loss;

pub use loss::Loss;

diesel::table! {
    /// Diesel's own record.
    __diesel_schema_migrations (version) {
        /// When the migration was written, as digits.
        version -> Text,
        /// When it ran.
        run_on -> Timestamp,
    }
}

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

/// One migration and whether it ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Version and name, as the directory is called.
    pub name: String,
    /// Whether the database has it.
    pub applied: bool,
}

/// Runs all that are pending; one process at a time in each database. Returns their names.
///
/// # Errors
/// [`Error::Database`]; the migration that failed left nothing behind, those before it stand.
pub fn up(conn: &mut PgConnection) -> Result<Vec<String>, Error> {
    locked(conn, |conn| {
        let ran = conn.run_pending_migrations(MIGRATIONS).map_err(failed)?;
        Ok(ran.iter().map(ToString::to_string).collect())
    })
}

/// What reverting the last migration comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Reverted {
    /// Which one it is.
    pub version: String,
    /// What is, or would be, gone for good.
    pub losses: Vec<Loss>,
    /// Whether it was agreed to, and is done.
    pub done: bool,
}

/// Reverts the last one, if `agreed` says so of its version and of what is lost by it; in one
/// transaction, so that not more is lost than was said. `None` when there is none.
///
/// # Errors
/// [`Error::Database`].
pub fn down(
    conn: &mut PgConnection,
    agreed: impl FnOnce(&str, &[Loss]) -> bool,
) -> Result<Option<Reverted>, Error> {
    locked(conn, |conn| {
        let applied = conn.applied_migrations().map_err(failed)?;
        let Some(version) = applied.first().map(ToString::to_string) else {
            return Ok(None);
        };
        conn.transaction(|conn| {
            let losses = loss::of(conn, revert)?;
            let done = agreed(&version, &losses);
            if done {
                revert(conn)?;
            }
            Ok(Some(Reverted {
                version,
                losses,
                done,
            }))
        })
    })
}

fn revert(conn: &mut PgConnection) -> Result<(), Error> {
    conn.revert_last_migration(MIGRATIONS)
        .map(drop)
        .map_err(failed)
}

/// All migrations that this binary knows, oldest first.
///
/// # Errors
/// [`Error::Database`].
pub fn status(conn: &mut PgConnection) -> Result<Vec<Status>, Error> {
    let applied: Vec<String> = conn
        .applied_migrations()
        .map_err(failed)?
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut all: Vec<Status> = migrations()?
        .into_iter()
        .map(|(version, name)| Status {
            applied: applied.contains(&version),
            name,
        })
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// Whether the database has every migration that this binary knows; only reads.
pub(crate) fn is_applied(conn: &mut PgConnection) -> Result<bool, Error> {
    use __diesel_schema_migrations as applied;

    let known: Vec<String> = migrations()?
        .into_iter()
        .map(|(version, _)| version)
        .collect();
    if !has_record(conn)? {
        return Ok(false);
    }
    let expected = i64::try_from(known.len()).unwrap_or(i64::MAX);
    let present: i64 = applied::table
        .filter(applied::version.eq_any(known))
        .count()
        .get_result(conn)?;
    Ok(present == expected)
}

/// Whether anything was ever migrated here.
fn has_record(conn: &mut PgConnection) -> Result<bool, Error> {
    use diesel::sql_types::Bool;
    let record = "to_regclass('public.__diesel_schema_migrations') IS NOT NULL";
    Ok(diesel::select(diesel::dsl::sql::<Bool>(record)).get_result(conn)?)
}

/// Whether the database has a migration that this binary does not know: it was released before
/// the one that made it, and works on beside it.
pub(crate) fn is_ahead(conn: &mut PgConnection) -> Result<bool, Error> {
    use __diesel_schema_migrations as applied;
    let known: Vec<String> = migrations()?
        .into_iter()
        .map(|(version, _)| version)
        .collect();
    let unknown: i64 = applied::table
        .filter(applied::version.ne_all(known))
        .count()
        .get_result(conn)?;
    Ok(unknown > 0)
}

fn migrations() -> Result<Vec<(String, String)>, Error> {
    let known =
        diesel::migration::MigrationSource::<Pg>::migrations(&MIGRATIONS).map_err(failed)?;
    Ok(known
        .iter()
        .map(|m| (m.name().version().to_string(), m.name().to_string()))
        .collect())
}

/// A session-level lock in this database; it goes with the connection if the process dies.
fn locked<T>(
    conn: &mut PgConnection,
    work: impl FnOnce(&mut PgConnection) -> Result<T, Error>,
) -> Result<T, Error> {
    // The number is arbitrary; it only has to be the same in every binary.
    diesel::sql_query("SELECT pg_advisory_lock(7236427654982213)").execute(conn)?;
    let result = work(conn);
    diesel::sql_query("SELECT pg_advisory_unlock(7236427654982213)").execute(conn)?;
    result
}

fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    match error.downcast::<diesel::result::Error>() {
        Ok(error) => (*error).into(),
        Err(error) => Error::Database(tenant_db::Error::Query(
            diesel::result::Error::QueryBuilderError(error),
        )),
    }
}

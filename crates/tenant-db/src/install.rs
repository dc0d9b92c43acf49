//! The kernel in a database that has, or will have, tables of others beside it.

use diesel::connection::SimpleConnection as _;
use diesel::migration::MigrationSource;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sql_types::{Bool, Text};
use diesel_migrations::MigrationHarness as _;

use crate::bootstrap::{CLUSTER_SQL, INSTALL_SQL};
use crate::error::Error;
use crate::level::Level;
use crate::migrations::migrations;

/// A function that each migration of the kernel makes, in their order.
const MADE: [&str; 2] = ["tenancy.enter(text)", "tenancy.record_event()"];

/// Makes the roles, the schema `tenancy` and what is in it. A superuser runs it before each run of
/// its own migrations, or a role with CREATEROLE that owns the database: what is there already
/// stays. Answers at which [`Level`] the database is.
///
/// It adds, and takes nothing away: rights of PUBLIC, on which the rest of a database may rely,
/// are left to [`harden`](crate::harden()). Until then [`verify`](crate::verify::verify()) lists
/// them as findings.
///
/// Diesel's own record of migrations is used, so that [`migrations`](crate::migrations()) may as
/// well be run with those of a service. The first one of `diesel setup` has the version of our first,
/// `00000000000000`, and a service may number its own by hand: then ours run all the same, and the
/// record stays as it is.
///
/// # Errors
/// What the database answers; it refuses any other role.
pub fn install(conn: &mut PgConnection) -> Result<Level, Error> {
    conn.batch_execute(CLUSTER_SQL)?;
    conn.batch_execute(INSTALL_SQL)?;
    let mut kernel = MigrationSource::<Pg>::migrations(&migrations()).map_err(failed)?;
    kernel.sort_by_key(|migration| migration.name().version().as_owned());
    let recorded = conn.applied_migrations().map_err(failed)?;
    for (migration, made) in kernel.iter().zip(MADE) {
        if !recorded.contains(&migration.name().version().as_owned()) {
            conn.run_migration(migration.as_ref()).map_err(failed)?;
        } else if !is_there(conn, made)? {
            conn.transaction(|conn| migration.run(conn).map_err(failed))?;
        }
    }
    Ok(Level::of_database(conn)?.unwrap_or(Level::Full))
}

/// Whether the schema has this function, whatever the record of the migrations says.
fn is_there(conn: &mut PgConnection, function: &str) -> Result<bool, Error> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = Bool)]
        is_there: bool,
    }
    let row: Found = diesel::sql_query("SELECT to_regprocedure($1) IS NOT NULL AS is_there")
        .bind::<Text, _>(function)
        .get_result(conn)?;
    Ok(row.is_there)
}

fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    match error.downcast::<DieselError>() {
        Ok(error) => (*error).into(),
        Err(error) => Error::Query(DieselError::QueryBuilderError(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_migration_of_the_kernel_has_a_function_by_which_it_is_known() {
        let kernel = MigrationSource::<Pg>::migrations(&migrations()).unwrap();
        assert_eq!(kernel.len(), MADE.len());
    }
}

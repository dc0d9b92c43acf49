//! The kernel in a database that has, or will have, tables of others beside it.

use diesel::connection::SimpleConnection as _;
use diesel::migration::MigrationSource;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sql_types::Bool;
use diesel_migrations::MigrationHarness as _;

use crate::bootstrap::{CLUSTER_SQL, INSTALL_SQL};
use crate::error::Error;
use crate::level::Level;
use crate::migrations::migrations;

/// Makes the roles, the schema `tenancy` and what is in it. A superuser runs it before each run of
/// its own migrations, or a role with CREATEROLE that owns the database: what is there already
/// stays. Answers at which [`Level`] the database is.
///
/// It adds, and takes nothing away: rights of PUBLIC, on which the rest of a database may rely,
/// are left to [`harden`](crate::harden()). Until then [`verify`](crate::verify::verify()) lists
/// them as findings.
///
/// Diesel's own record of migrations is used, so that [`migrations`](crate::migrations()) may as
/// well be run with those of a service. The first one of `diesel setup` has the version of ours,
/// `00000000000000`: then ours runs all the same, and the record stays as it is.
///
/// # Errors
/// What the database answers; it refuses any other role.
pub fn install(conn: &mut PgConnection) -> Result<Level, Error> {
    conn.batch_execute(CLUSTER_SQL)?;
    conn.batch_execute(INSTALL_SQL)?;
    let mut kernel = MigrationSource::<Pg>::migrations(&migrations()).map_err(failed)?;
    kernel.sort_by_key(|migration| migration.name().version().as_owned());
    let recorded = conn.applied_migrations().map_err(failed)?;
    if let Some(first) = kernel.first()
        && recorded.contains(&first.name().version().as_owned())
        && !is_installed(conn)?
    {
        conn.transaction(|conn| first.run(conn).map_err(failed))?;
    }
    conn.run_pending_migrations(migrations()).map_err(failed)?;
    Ok(Level::of_database(conn)?.unwrap_or(Level::Full))
}

/// Whether the schema has its functions, whatever the record of the migrations says.
fn is_installed(conn: &mut PgConnection) -> Result<bool, Error> {
    #[derive(QueryableByName)]
    struct Installed {
        #[diesel(sql_type = Bool)]
        installed: bool,
    }
    let row: Installed =
        diesel::sql_query("SELECT to_regprocedure('tenancy.enter(text)') IS NOT NULL AS installed")
            .get_result(conn)?;
    Ok(row.installed)
}

fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    match error.downcast::<DieselError>() {
        Ok(error) => (*error).into(),
        Err(error) => Error::Query(DieselError::QueryBuilderError(error)),
    }
}

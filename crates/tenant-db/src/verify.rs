//! The doctor: is every guard of the isolation still in place?
//!
//! [`verify`] compares a whole database with a [`Catalog`]: what is there and not declared, what
//! is declared and not there, and what differs. It reads the system catalogs only, never a row
//! of yours, and an ordinary role may run it: a server at its start as well as a superuser.
//! [`verify_with_rows`] also reads rows: those that triggers copied.
//!
//! ```no_run
//! use tenant_db::Role;
//! use tenant_db::verify::{Catalog, Table, TenantTable, verify};
//!
//! # fn example(conn: &mut tenant_db::diesel::PgConnection) -> Result<(), tenant_db::Error> {
//! let catalog = Catalog::new()
//!     // Diesel's own.
//!     .table(Table::of_migrations("public.__diesel_schema_migrations"))
//!     // The arguments are those that the migration gave to tenancy.protect.
//!     .tenant_table(TenantTable::new("public.notes").write_role(Role::Member));
//! let report = verify(conn, &catalog)?;
//! assert!(report.is_clean(), "{report}");
//! # Ok(()) }
//! ```
//!
//! Names are written as SQL writes them: `public.notes`, `tenancy.enter(text)`, quoted where
//! they need it.
//!
//! # A new check
//! A query and its judgement in the file of its noun, a line in [`CODES`], and a case in the
//! tests that breaks the guard and expects the code.
//!
//! # The doctor's own examination
//! [`mutants`] makes a list of all guards that can be broken from what the database has, and
//! [`mutate`] breaks one after the other and demands that the doctor notices it. [`probe`] asks the
//! guards themselves: two canary tenants, and every command through every tenant table. Both are
//! for a copy that nobody uses.
//!
//! # What is not here
//! Whether data agrees with itself but for declared copies, seal keys, what a superuser could do, and other databases of
//! the cluster.

mod audit;
pub(crate) mod builtins;
mod catalog;
mod codes;
mod copies;
mod database;
mod default_privileges;
mod definition;
mod foreign_keys;
mod function;
mod functions;
mod grants;
mod indexes;
mod kernel;
mod keys;
mod managed;
mod mutants;
mod mutation;
mod objects;
mod policies;
mod probes;
mod relations;
mod report;
mod roles;
mod schemas;
mod settings;
mod statistics;
mod tenant_table;
mod triggers;

use diesel::connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _};
use diesel::pg::PgConnection;

use crate::error::Error;

pub use self::catalog::{Catalog, Table};
pub use self::codes::CODES;
pub use self::copies::PrivateCopy;
pub use self::function::Function;
pub use self::mutants::{Mutant, mutants};
pub use self::mutation::{Mutation, Verdict, mutate};
pub use self::probes::{Breach, Probing, probe};
pub use self::report::{Finding, Note, Report};
pub use self::tenant_table::TenantTable;
pub use crate::level::Level;

/// Examines the database of `conn`: some twenty queries to the system catalogs, tens of
/// milliseconds. Changes nothing; an open transaction goes on as it was.
///
/// # Errors
/// What the database answers. That a guard is missing is no error, but a [`Finding`].
pub fn verify(conn: &mut PgConnection, catalog: &Catalog) -> Result<Report, Error> {
    examine(conn, catalog, |_, _, _| Ok(()))
}

/// The same, and whether each [`PrivateCopy`] of the catalog has the rows that it must have.
///
/// Reads these tables and what they are copied from once, without a lock that anybody waits for: some seconds for a
/// million rows. For a superuser, or at level managed for whoever made the roles.
///
/// # Errors
/// What the database answers; also when the role of `conn` may not read the tables.
pub fn verify_with_rows(conn: &mut PgConnection, catalog: &Catalog) -> Result<Report, Error> {
    examine(conn, catalog, copies::check)
}

fn examine(
    conn: &mut PgConnection,
    catalog: &Catalog,
    rows: impl FnOnce(&mut PgConnection, &Catalog, &mut Report) -> Result<(), Error>,
) -> Result<Report, Error> {
    with_full_names(conn, |conn| {
        let level = Level::of_database(conn)?.unwrap_or(Level::Full);
        let catalog = &kernel::at(level, catalog);
        let mut report = Report::new(level);
        roles::check(conn, catalog, &mut report)?;
        settings::check(conn, catalog, &mut report)?;
        database::check(conn, catalog, &mut report)?;
        schemas::check(conn, catalog, &mut report)?;
        functions::check(conn, catalog, &mut report)?;
        relations::check(conn, catalog, &mut report)?;
        policies::check(conn, catalog, &mut report)?;
        triggers::check(conn, catalog, &mut report)?;
        foreign_keys::check(conn, catalog, &mut report)?;
        indexes::check(conn, catalog, &mut report)?;
        keys::check(conn, catalog, &mut report)?;
        statistics::check(conn, catalog, &mut report)?;
        grants::check(conn, catalog, &mut report)?;
        default_privileges::check(conn, catalog, &mut report)?;
        builtins::check(conn, &mut report)?;
        objects::check(conn, catalog, &mut report)?;
        managed::check(conn, &mut report)?;
        rows(conn, catalog, &mut report)?;
        Ok(report)
    })
}

/// All policies of the database in a text that is the same for the same policies, whatever the
/// version of PostgreSQL: for a file that a test compares.
///
/// # Errors
/// What the database answers.
pub fn policies(conn: &mut PgConnection) -> Result<String, Error> {
    with_full_names(conn, policies::text)
}

/// Runs `read` where PostgreSQL spells out every name that is not its own: `public.=` would stand
/// beside a plain `=`. What is set for it is undone by a rollback, inside an open transaction
/// too.
fn with_full_names<T>(
    conn: &mut PgConnection,
    read: impl FnOnce(&mut PgConnection) -> Result<T, Error>,
) -> Result<T, Error> {
    AnsiTransactionManager::begin_transaction(conn)?;
    let result = conn
        .batch_execute(
            "SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL quote_all_identifiers = off",
        )
        .map_err(Error::from)
        .and_then(|()| read(conn));
    AnsiTransactionManager::rollback_transaction(conn)?;
    result
}

/// As SQL writes it between quotes.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

//! What must be there before the first migration: roles, the schema `tenancy`, and the rights
//! that PUBLIC loses. Not a migration, because roles belong to the cluster and not to one
//! database's history. Idempotent, and safe to run twice at once.

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;

use crate::error::Error;
use crate::level::Level;

/// The SQL that makes the cluster's roles. A superuser runs it once a cluster; or, where there is
/// none, a role with CREATEROLE that owns the database: it asks who runs it, see [`Level`].
pub const CLUSTER_SQL: &str = include_str!("bootstrap/cluster.sql");

/// The SQL that prepares one database. The same role runs it once a database, and again after
/// `CREATE DATABASE … TEMPLATE`, which does not carry rights on the database itself. Its second
/// half takes from PUBLIC what [`harden`](crate::harden()) takes.
pub const DATABASE_SQL: &str = concat!(
    include_str!("bootstrap/install.sql"),
    "\n",
    include_str!("bootstrap/harden.sql")
);

/// The half of [`DATABASE_SQL`] that leaves PUBLIC alone.
pub(crate) const INSTALL_SQL: &str = include_str!("bootstrap/install.sql");

/// Runs [`CLUSTER_SQL`] and [`DATABASE_SQL`]: for a database that is this service's alone. Beside
/// others' tables, [`install`](crate::install()) and [`harden`](crate::harden()) do it in steps.
///
/// Answers to which level.
///
/// # Errors
/// What the database answers; it refuses a role that is neither a superuser nor the owner of the
/// database with CREATEROLE.
pub fn bootstrap(conn: &mut PgConnection) -> Result<Level, Error> {
    let level = Level::of_role(conn)?;
    conn.batch_execute(CLUSTER_SQL)?;
    conn.batch_execute(DATABASE_SQL)?;
    Ok(level)
}

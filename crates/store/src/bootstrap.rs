//! From an empty database to one that the server can use: roles, rights, passwords, migrations,
//! seal keys. Run by whoever owns the cluster; the server itself never needs these rights.

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use secrecy::SecretString;
use tenant_db::{Level, SealKey};

use crate::error::Error;
use crate::migrations;

mod passwords;

pub use passwords::{Passwords, RolePassword};

/// The roles that Rowhouse adds to those of tenant-db.
pub const CLUSTER_SQL: &str = include_str!("bootstrap/cluster.sql");
/// What one database needs beside that.
pub const DATABASE_SQL: &str = include_str!("bootstrap/database.sql");

/// Who logs in with which password, and where that can be tried.
#[derive(Debug, Clone, Copy)]
pub struct Logins<'a> {
    /// Of each role.
    pub passwords: &'a Passwords,
    /// The URL with which the bootstrap itself has connected.
    pub url: &'a SecretString,
}

/// What `rowhouse-migrate up` has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The migrations that ran.
    pub migrations: Vec<String>,
    /// The roles that had another password before.
    pub replaced_passwords: Vec<&'static str>,
}

/// All of the bootstrap as SQL, for a database administrator to read and run. It asks who runs
/// it, and comes to the [`Level`] that is within their reach. Passwords are not in it.
#[must_use]
pub fn sql() -> String {
    [
        tenant_db::CLUSTER_SQL,
        CLUSTER_SQL,
        tenant_db::DATABASE_SQL,
        DATABASE_SQL,
    ]
    .join("\n")
}

/// Makes roles, schemas and rights; idempotent, and one at a time in the whole cluster, or in the
/// database where there is no superuser. Answers the roles that had another password before.
///
/// # Errors
/// [`Error::PasswordKept`]; [`Error::Database`]: PostgreSQL refuses a role that is neither a superuser
/// nor the owner of the database with CREATEROLE.
pub fn bootstrap(
    conn: &mut PgConnection,
    logins: Option<Logins<'_>>,
) -> Result<Vec<&'static str>, Error> {
    conn.transaction(|conn| {
        let level = Level::of_role(conn)?;
        conn.batch_execute(match level {
            // Roles are cluster-wide, and so is this lock; logins only read the table.
            Level::Full => "LOCK TABLE pg_catalog.pg_authid IN SHARE ROW EXCLUSIVE MODE",
            _ => "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('rowhouse bootstrap', 0))",
        })?;
        let before = passwords::present(conn)?;
        conn.batch_execute(&sql())?;
        match logins {
            Some(Logins { passwords, url }) => passwords::write(conn, passwords, url, &before),
            None => Ok(Vec::new()),
        }
    })
}

/// All that `rowhouse-migrate up` does.
///
/// # Errors
/// As [`bootstrap`]; [`tenant_db::Error::SealKeyTaken`].
pub fn up(
    conn: &mut PgConnection,
    logins: Option<Logins<'_>>,
    keys: &[SealKey],
) -> Result<Done, Error> {
    let replaced_passwords = bootstrap(conn, logins)?;
    let migrations = migrations::up(conn)?;
    // So that a server can tell whether its database is behind.
    conn.batch_execute(
        "GRANT SELECT ON __diesel_schema_migrations TO rowhouse_auth, rowhouse_ops",
    )?;
    for key in keys {
        tenant_db::register_seal_key(conn, key)?;
    }
    Ok(Done {
        migrations,
        replaced_passwords,
    })
}

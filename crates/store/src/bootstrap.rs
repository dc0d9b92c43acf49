//! From an empty database to one that the server can use: roles, rights, passwords, migrations,
//! seal keys. Run by whoever owns the cluster; the server itself never needs these rights.

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use secrecy::{ExposeSecret as _, SecretString};
use tenant_db::{Level, SealKey};

use crate::error::Error;
use crate::migrations;

/// The roles that Rowhouse adds to those of tenant-db.
pub const CLUSTER_SQL: &str = include_str!("bootstrap/cluster.sql");
/// What one database needs beside that.
pub const DATABASE_SQL: &str = include_str!("bootstrap/database.sql");

/// The passwords of the roles that log in.
#[derive(Debug, Clone)]
pub struct Passwords {
    /// Of `rowhouse_app`.
    pub app: SecretString,
    /// Of `rowhouse_auth`.
    pub auth: SecretString,
    /// Of `rowhouse_ops`.
    pub ops: SecretString,
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
/// database where there is no superuser.
///
/// # Errors
/// [`Error::Database`]; PostgreSQL refuses a role that is neither a superuser nor the owner of the
/// database with CREATEROLE.
pub fn bootstrap(conn: &mut PgConnection, passwords: Option<&Passwords>) -> Result<(), Error> {
    conn.transaction(|conn| {
        let level = Level::of_role(conn)?;
        conn.batch_execute(match level {
            // Roles are cluster-wide, and so is this lock; logins only read the table.
            Level::Full => "LOCK TABLE pg_catalog.pg_authid IN SHARE ROW EXCLUSIVE MODE",
            _ => "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('rowhouse bootstrap', 0))",
        })?;
        conn.batch_execute(&sql())?;
        if let Some(passwords) = passwords {
            // Two at once, of two databases, would fail. This waits for the other, in the whole cluster.
            conn.batch_execute("COMMENT ON ROLE rowhouse_app IS 'logs in for the rows of tenants'")?;
            set_password(conn, "rowhouse_app", &passwords.app)?;
            set_password(conn, "rowhouse_auth", &passwords.auth)?;
            set_password(conn, "rowhouse_ops", &passwords.ops)?;
        }
        Ok(())
    })
}

/// All that `rowhouse-migrate up` does. Returns the migrations that ran.
///
/// # Errors
/// [`Error::Database`].
pub fn up(
    conn: &mut PgConnection,
    passwords: Option<&Passwords>,
    keys: &[SealKey],
) -> Result<Vec<String>, Error> {
    bootstrap(conn, passwords)?;
    let ran = migrations::up(conn)?;
    // So that a server can tell whether its database is behind.
    conn.batch_execute(
        "GRANT SELECT ON __diesel_schema_migrations TO rowhouse_auth, rowhouse_ops",
    )?;
    for key in keys {
        tenant_db::register_seal_key(conn, key)?;
    }
    Ok(ran)
}

#[derive(QueryableByName)]
struct Statement {
    #[diesel(sql_type = Text)]
    sql: String,
}

fn set_password(conn: &mut PgConnection, role: &str, password: &SecretString) -> Result<(), Error> {
    // ALTER ROLE takes no parameters: PostgreSQL itself quotes the literal.
    let statement: Statement =
        diesel::sql_query("SELECT format('ALTER ROLE %I PASSWORD %L', $1, $2) AS sql")
            .bind::<Text, _>(role)
            .bind::<Text, _>(password.expose_secret())
            .get_result(conn)?;
    conn.batch_execute(&statement.sql)?;
    Ok(())
}

//! What PUBLIC loses in a database of tenants: first as a plan that somebody can read.

use std::fmt;

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::error::Error;
use crate::verify::builtins::REACHING;

/// Statements that take rights from PUBLIC, which have not run yet.
#[must_use = "nothing has changed until `apply`"]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hardening {
    statements: Vec<String>,
}

#[derive(QueryableByName)]
struct Statement {
    #[diesel(sql_type = Text)]
    sql: String,
}

/// What PUBLIC has in this database, the role of `conn` can take, and PUBLIC should not have where tenants share it: temporary tables,
/// which shadow real ones; functions and `DO` blocks; built-in functions that show or end other
/// sessions, or reach large objects. Reads the catalogs only; [`Hardening::apply`] changes them.
///
/// Every role of the database is concerned, not only ours: print the plan and read it first. A
/// role that needs one of these rights is granted it by name. Empty where all is done.
///
/// ```no_run
/// # fn example(conn: &mut tenant_db::diesel::PgConnection) -> Result<(), tenant_db::Error> {
/// let plan = tenant_db::harden(conn)?;
/// println!("{plan}"); // REVOKE TEMPORARY ON DATABASE app FROM PUBLIC; …
/// plan.apply(conn)?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// What the database answers.
pub fn harden(conn: &mut PgConnection) -> Result<Hardening, Error> {
    let rows: Vec<Statement> =
        diesel::sql_query(format!("{PLAN} AND ({REACHING}) ORDER BY part, sql")).load(conn)?;
    Ok(Hardening {
        statements: rows.into_iter().map(|row| row.sql).collect(),
    })
}

impl Hardening {
    /// The statements, in the order in which they run.
    #[must_use]
    pub fn statements(&self) -> &[String] {
        &self.statements
    }

    /// Runs them in one transaction. Needs whoever granted these rights: a superuser.
    ///
    /// # Errors
    /// What the database answers; then nothing has changed.
    pub fn apply(&self, conn: &mut PgConnection) -> Result<(), Error> {
        conn.transaction(|conn| {
            for statement in &self.statements {
                conn.batch_execute(statement)?;
            }
            Ok(())
        })
    }
}

/// One statement a line, as psql takes them.
impl fmt::Display for Hardening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for statement in &self.statements {
            writeln!(f, "{statement};")?;
        }
        Ok(())
    }
}

/// Only what PUBLIC has now, and whoever asks can take: at [`Level::Managed`](crate::Level) nobody
/// can take what is PostgreSQL's own. `bootstrap/harden.sql` takes the same; a test holds the two together.
const PLAN: &str = "
SELECT 1 AS part, format('REVOKE %s ON DATABASE %I FROM PUBLIC', a.privilege_type, d.datname) AS sql
FROM pg_database d CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
WHERE d.datname = current_database() AND a.grantee = 0 AND a.privilege_type IN ('CREATE', 'TEMPORARY')
UNION ALL
SELECT 2, format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', n.nspname)
FROM pg_namespace n CROSS JOIN LATERAL aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
WHERE n.nspname = 'public' AND a.grantee = 0 AND a.privilege_type = 'CREATE'
UNION ALL
SELECT 3, format('REVOKE USAGE ON LANGUAGE %I FROM PUBLIC', l.lanname)
FROM pg_language l CROSS JOIN LATERAL aclexplode(coalesce(l.lanacl, acldefault('l', l.lanowner))) a
WHERE l.lanname IN ('plpgsql', 'sql') AND a.grantee = 0 AND pg_has_role(l.lanowner, 'USAGE')
UNION ALL
SELECT 4, format('REVOKE EXECUTE ON FUNCTION pg_catalog.%I(%s) FROM PUBLIC',
    p.proname, pg_get_function_identity_arguments(p.oid))
FROM pg_proc p CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND a.grantee = 0 AND pg_has_role(p.proowner, 'USAGE')";

//! How much the database itself can hold, which depends on who made it: a superuser, or the owner
//! of a database on a managed service.

use std::fmt;

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use serde::Serialize;

use crate::error::Error;

/// How much the database itself can hold. `docs/managed.md` compares the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Level {
    /// A superuser made the roles: the context is in the guarded slot, and built-ins that reach
    /// beyond a tenant are revoked.
    Full,
    /// A role with CREATEROLE that owns the database made them: the context is a token that the
    /// database makes and checks, and PUBLIC keeps the built-ins.
    Managed,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Managed => "managed",
        })
    }
}

impl Level {
    /// What a bootstrap by the role of `conn` comes to, where nobody made the roles before.
    ///
    /// # Errors
    /// What the database answers.
    pub fn of_role(conn: &mut PgConnection) -> Result<Self, Error> {
        let row: Row = diesel::sql_query(
            "SELECT CASE WHEN rolsuper THEN 'full' ELSE 'managed' END AS level
             FROM pg_catalog.pg_roles WHERE rolname = current_user",
        )
        .get_result(conn)?;
        Ok(row.level())
    }

    /// What the migration wrote down when it made the kernel; None before. Any role may ask.
    ///
    /// # Errors
    /// What the database answers.
    pub fn of_database(conn: &mut PgConnection) -> Result<Option<Self>, Error> {
        // Its text is read: whoever asks need not be allowed to call it.
        let row: Option<Row> = diesel::sql_query(
            "SELECT CASE pg_catalog.pg_get_function_sqlbody(p.oid)
                 WHEN 'RETURN ''managed''::text' THEN 'managed' ELSE 'full' END AS level
             FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
             WHERE n.nspname = 'tenancy' AND p.proname = 'level' AND p.pronargs = 0",
        )
        .get_result(conn)
        .optional()?;
        Ok(row.map(|row| row.level()))
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    level: String,
}

impl Row {
    fn level(&self) -> Level {
        if self.level == "managed" {
            Level::Managed
        } else {
            Level::Full
        }
    }
}

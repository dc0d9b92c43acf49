//! Why a row is seen, or not. Row-Level Security answers with nothing and says nothing; this asks the
//! same policies for one row, and tells which of them stood in the way.
//!
//! For administrators. Nothing is changed: all of it happens in a transaction that is rolled back. A
//! superuser sees past the policies. Whoever made the roles without being one, at level managed, does not,
//! and asks in the context first; only where a row is not seen there it takes the table's lock to look past
//! them.

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text, Uuid as SqlUuid};
use std::fmt;
use uuid::Uuid;

use crate::as_application;
use crate::context::Role;
use crate::error::Error;

/// One row, and who would see or change it.
#[derive(Debug, Clone)]
pub struct AccessQuestion<'a> {
    /// The table, with or without its schema.
    pub table: &'a str,
    /// The row's `id`, as text.
    pub id: &'a str,
    /// The tenant in whose context somebody asks.
    pub tenant: Uuid,
    /// With which role.
    pub role: Role,
    /// Whether the row is to be changed, and not only read.
    pub for_update: bool,
}

/// What stands in the way, the first of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessAnswer {
    /// Nothing: the row is there.
    Granted,
    /// There is no such table, or `tenancy.protect` was never called for it.
    NotATenantTable,
    /// No tenant has a row with this id.
    NoSuchRow,
    /// The row is another tenant's. To everybody else it does not exist.
    OtherTenant(Uuid),
    /// The application's role has no such right on the table, whoever asks.
    NoGrant,
    /// The row is seen, and the role may not change it (TN008 for a statement that tries).
    RoleTooLow(Role),
    /// The row is of the tenant, and a policy hides it.
    Hidden,
}

impl fmt::Display for AccessAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Granted => f.write_str("nothing stands in the way"),
            Self::NotATenantTable => f.write_str("there is no such tenant table"),
            Self::NoSuchRow => f.write_str("no tenant has a row with this id"),
            Self::OtherTenant(tenant) => write!(f, "the row belongs to another tenant, {tenant}"),
            Self::NoGrant => {
                f.write_str("the application's role has no such right on the table, whoever asks")
            }
            Self::RoleTooLow(role) => {
                write!(f, "the role {role} may read the row and not change it")
            }
            Self::Hidden => f.write_str("a policy of the table hides the row"),
        }
    }
}

/// Asks the policies of the table for this row, as the application would in this context.
///
/// Where policies bind the role of `conn`, and the row is not seen, the table is locked for as long as it
/// takes to look through it once, at most five seconds, and not waited for longer than one.
///
/// # Errors
/// What the database answers, also when the role of `conn` is neither a superuser nor who made the roles;
/// [`Error::Timeout`] where the lock was not to be had, or the table is too long to look through.
pub fn explain_access(
    conn: &mut PgConnection,
    question: &AccessQuestion<'_>,
) -> Result<AccessAnswer, Error> {
    let mut answer = None;
    let ended = conn.transaction(|conn| {
        answer = Some(ask(conn, question)?);
        Err::<(), _>(Error::Query(diesel::result::Error::RollbackTransaction))
    });
    match (ended, answer) {
        (Err(Error::Query(diesel::result::Error::RollbackTransaction)), Some(answer)) => Ok(answer),
        (Err(error), _) => Err(error),
        (Ok(()), _) => Err(diesel::result::Error::RollbackTransaction.into()),
    }
}

fn ask(conn: &mut PgConnection, question: &AccessQuestion<'_>) -> Result<AccessAnswer, Error> {
    let Some(table) = find_table(conn, question.table)? else {
        return Ok(AccessAnswer::NotATenantTable);
    };
    as_application::allow(conn)?;
    as_application::enter(conn, question.tenant, question.role)?;
    let seen = table.readable && table.shows(conn, question, "")?;
    let lockable = seen && table.changeable && question.for_update;
    let changed = lockable && table.shows(conn, question, " FOR NO KEY UPDATE")?;
    conn.batch_execute("SET LOCAL ROLE NONE")?;
    if seen && (changed || !question.for_update) {
        return Ok(AccessAnswer::Granted);
    }
    if !seen {
        // Of a row that was seen it is known whose it is.
        match table.owner_of(conn, question)? {
            None => return Ok(AccessAnswer::NoSuchRow),
            Some(owner) if owner != question.tenant => return Ok(AccessAnswer::OtherTenant(owner)),
            Some(_) if table.readable => return Ok(AccessAnswer::Hidden),
            Some(_) => {}
        }
    }
    Ok(if table.readable && table.changeable {
        AccessAnswer::RoleTooLow(question.role)
    } else {
        AccessAnswer::NoGrant
    })
}

/// Its names are quoted by PostgreSQL: they go into statements as they are.
fn find_table(conn: &mut PgConnection, name: &str) -> QueryResult<Option<TableRow>> {
    diesel::sql_query(
        "SELECT c.oid::regclass::text AS name,
             quote_ident(CASE WHEN EXISTS (
                 SELECT FROM pg_attribute a
                 WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
             THEN 'tenant_id' ELSE 'id' END) AS tenant_column,
             has_any_column_privilege('rowhouse_app', c.oid, 'SELECT') AS readable,
             has_any_column_privilege('rowhouse_app', c.oid, 'UPDATE') AS changeable
         FROM pg_class c
         WHERE c.oid = to_regclass($1) AND c.relrowsecurity
             AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'tenancy_guard')
             AND EXISTS (SELECT FROM pg_attribute a
                 WHERE a.attrelid = c.oid AND a.attname = 'id' AND NOT a.attisdropped)",
    )
    .bind::<Nullable<Text>, _>(Some(name))
    .get_result(conn)
    .optional()
}

#[derive(QueryableByName)]
struct TableRow {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    tenant_column: String,
    #[diesel(sql_type = Bool)]
    readable: bool,
    #[diesel(sql_type = Bool)]
    changeable: bool,
}

/// Everybody else waits behind this, so it has an end.
const NO_FORCE: &str = "SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '5s'; \
    ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY";

impl TableRow {
    /// Whether the role of `conn` sees the row, in the tenant that is asked about.
    fn shows(
        &self,
        conn: &mut PgConnection,
        question: &AccessQuestion<'_>,
        lock: &str,
    ) -> QueryResult<bool> {
        let Self {
            name,
            tenant_column,
            ..
        } = self;
        let row: FoundRow = diesel::sql_query(format!(
            "SELECT EXISTS (SELECT FROM {name} WHERE {tenant_column} = $2 AND id::text = $1{lock}) AS found"
        ))
        .bind::<Text, _>(question.id)
        .bind::<SqlUuid, _>(question.tenant)
        .get_result(conn)?;
        Ok(row.found)
    }

    /// Whose the row is, past all policies; the tenant's that is asked about before another one's.
    fn owner_of(
        &self,
        conn: &mut PgConnection,
        question: &AccessQuestion<'_>,
    ) -> Result<Option<Uuid>, Error> {
        let Self {
            name,
            tenant_column,
            ..
        } = self;
        if !as_application::sees_past_policies(conn)? {
            conn.batch_execute(&NO_FORCE.replace("{table}", name))?;
        }
        let owner: Option<OwnerRow> = diesel::sql_query(format!(
            "SELECT {tenant_column} AS tenant FROM {name} WHERE id::text = $1 \
             ORDER BY {tenant_column} = $2 DESC LIMIT 1"
        ))
        .bind::<Text, _>(question.id)
        .bind::<SqlUuid, _>(question.tenant)
        .get_result(conn)
        .optional()?;
        Ok(owner.map(|owner| owner.tenant))
    }
}

#[derive(QueryableByName)]
struct OwnerRow {
    #[diesel(sql_type = SqlUuid)]
    tenant: Uuid,
}

#[derive(QueryableByName)]
struct FoundRow {
    #[diesel(sql_type = Bool)]
    found: bool,
}

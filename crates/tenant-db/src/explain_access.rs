//! Why a row is seen, or not. Row-Level Security answers with nothing and says nothing; this asks the
//! same policies for one row, and tells which of them stood in the way.
//!
//! For administrators, on a connection that sees past the policies. Nothing is changed: all of it
//! happens in a transaction that is rolled back.

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text, Uuid as SqlUuid};
use std::fmt;
use uuid::Uuid;

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
/// # Errors
/// What the database answers, also when the role of `conn` cannot see past the policies, or may not become
/// `rowhouse_tenancy`, which writes the context.
pub fn explain_access(
    conn: &mut PgConnection,
    question: &AccessQuestion<'_>,
) -> Result<AccessAnswer, Error> {
    let mut answer = None;
    let ended = conn.transaction(|conn| {
        answer = Some(ask(conn, question)?);
        Err::<(), _>(diesel::result::Error::RollbackTransaction)
    });
    match (ended, answer) {
        (Err(diesel::result::Error::RollbackTransaction), Some(answer)) => Ok(answer),
        (Err(error), _) => Err(error.into()),
        (Ok(()), _) => Err(diesel::result::Error::RollbackTransaction.into()),
    }
}

fn ask(conn: &mut PgConnection, question: &AccessQuestion<'_>) -> QueryResult<AccessAnswer> {
    let Some(table) = find_table(conn, question.table)? else {
        return Ok(AccessAnswer::NotATenantTable);
    };
    let (name, column) = (&table.name, &table.tenant_column);
    let owner: Option<OwnerRow> = diesel::sql_query(format!(
        "SELECT {column} AS tenant FROM {name} WHERE id::text = $1 \
         ORDER BY {column} = $2 DESC LIMIT 1"
    ))
    .bind::<Text, _>(question.id)
    .bind::<SqlUuid, _>(question.tenant)
    .get_result(conn)
    .optional()?;
    match owner {
        None => return Ok(AccessAnswer::NoSuchRow),
        Some(owner) if owner.tenant != question.tenant => {
            return Ok(AccessAnswer::OtherTenant(owner.tenant));
        }
        Some(_) => {}
    }
    // From here on as the application: in the context that `tenancy.enter` would open.
    let slot = format!(
        "{}_user_{}__{}_0_",
        question.tenant.simple(),
        Uuid::nil().simple(),
        question.role
    );
    conn.batch_execute("SET LOCAL ROLE rowhouse_tenancy")?;
    diesel::sql_query("SELECT tenancy.fill_slot($1)")
        .bind::<Text, _>(slot)
        .execute(conn)?;
    conn.batch_execute("SET LOCAL ROLE rowhouse_app")?;
    let mut sees = |lock: &str| -> QueryResult<bool> {
        let sql = format!("SELECT EXISTS (SELECT FROM {name} WHERE id::text = $1{lock}) AS found");
        let row: FoundRow = diesel::sql_query(sql)
            .bind::<Text, _>(question.id)
            .get_result(conn)?;
        Ok(row.found)
    };
    if table.readable && !sees("")? {
        return Ok(AccessAnswer::Hidden);
    }
    if !table.readable || question.for_update && !table.changeable {
        return Ok(AccessAnswer::NoGrant);
    }
    if question.for_update && !sees(" FOR NO KEY UPDATE")? {
        return Ok(AccessAnswer::RoleTooLow(question.role));
    }
    Ok(AccessAnswer::Granted)
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

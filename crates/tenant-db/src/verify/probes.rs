//! What the guards do, not how they are written: two canary tenants with a row in every tenant
//! table, and each command sent through each table to the neighbour's row, as the application's
//! role.
//!
//! All of it happens in one transaction that is rolled back. The canaries' rows are made up from
//! the types of the columns; CHECK constraints and foreign keys are taken away for them, and triggers
//! rest while they come, because neither is what is asked about. Where a transaction has
//! a context, it is one that `tenancy.enter` would have made.

mod canary;

use std::fmt;

use diesel::connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _};
use diesel::pg::PgConnection;

use self::canary::Canary;
use super::catalog::Catalog;
use crate::as_application;
use crate::context::Role;
use crate::error::Error;

/// One command that reached the neighbour, or whose answer says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The table.
    pub table: String,
    /// What was sent, and in which context.
    pub command: String,
    /// What it came to.
    pub outcome: String,
}

/// What became of all commands.
#[derive(Debug, Clone, Default)]
pub struct Probing {
    tables: usize,
    tried: usize,
    breaches: Vec<Breach>,
}

impl Probing {
    /// How many commands were sent.
    #[must_use]
    pub fn tried(&self) -> usize {
        self.tried
    }

    /// Those that did not end as they must.
    #[must_use]
    pub fn breaches(&self) -> &[Breach] {
        &self.breaches
    }

    /// Whether something was tried, and nothing came of it.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.tried > 0 && self.breaches.is_empty()
    }
}

impl fmt::Display for Probing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            tables,
            tried,
            breaches,
        } = self;
        let held = tried - breaches.len();
        writeln!(
            f,
            "probe: {held} of {tried} commands held, through {tables} tables"
        )?;
        for Breach {
            table,
            command,
            outcome,
        } in breaches
        {
            writeln!(f, "\n{table}: {outcome}\n    {command}")?;
        }
        Ok(())
    }
}

/// Sends every command through the tenant tables whose names `chosen` accepts. For a copy that
/// nobody uses, and for a superuser or whoever made the roles.
///
/// # Errors
/// What the database answers to the preparations.
pub fn probe(
    conn: &mut PgConnection,
    catalog: &Catalog,
    chosen: impl Fn(&str) -> bool,
) -> Result<Probing, Error> {
    AnsiTransactionManager::begin_transaction(conn)?;
    let result = probe_all(conn, catalog, chosen);
    AnsiTransactionManager::rollback_transaction(conn)?;
    result
}

fn probe_all(
    conn: &mut PgConnection,
    catalog: &Catalog,
    chosen: impl Fn(&str) -> bool,
) -> Result<Probing, Error> {
    as_application::allow(conn)?;
    conn.batch_execute("SET LOCAL client_min_messages = error")?;
    as_application::make_key(conn)?;
    let mut canaries = Vec::new();
    for table in &catalog.tenant_tables {
        let canary = Canary::settle(conn, table)?;
        if chosen(&table.name) {
            canaries.push(canary);
        }
    }
    let mut probing = Probing {
        tables: canaries.len(),
        ..Probing::default()
    };
    for canary in &canaries {
        for context in [Some(Role::Owner), Some(Role::Viewer), None] {
            for attack in canary.attacks() {
                probing.tried += 1;
                if let Some(outcome) = canary.play(conn, context, &attack)? {
                    let who = context.map_or("nobody".to_owned(), |role| role.to_string());
                    probing
                        .breaches
                        .push(canary.breach(&format!("as {who}: {}", attack.sql()), outcome));
                }
            }
        }
    }
    Ok(probing)
}

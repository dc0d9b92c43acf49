//! The connections of a service to tables that belong to no tenant, such as accounts and
//! sessions. Rows of tenants are not to be had here: its role has no context and no rights on
//! them.

use std::cell::RefCell;

use diesel::connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _};
use diesel::pg::PgConnection;
use diesel::result::QueryResult;
use secrecy::SecretString;

use crate::error::{Error, lost};
use crate::meters::Outcome;
use crate::pgbouncer;
use crate::pool::{BeginError, Pool, PoolSettings, answer, answer_blocking, guarded};
use crate::session::{Purpose, Session};
use crate::tenant_conn::depth;
use crate::tenant_db::outcome;

/// A small pool for a role without tenant rows. Cheap to clone.
#[derive(Clone)]
pub struct ServiceDb {
    pool: Pool,
}

impl std::fmt::Debug for ServiceDb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceDb").finish_non_exhaustive()
    }
}

impl ServiceDb {
    /// Connects as the role of `url`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the first connection fails.
    pub fn connect(url: impl Into<SecretString>, settings: &PoolSettings) -> Result<Self, Error> {
        Ok(Self {
            pool: Pool::open(&url.into(), Purpose::Service, settings)?,
        })
    }

    /// Runs `work` in one transaction on a thread of this pool: committed when it answers `Ok`
    /// and no statement of it failed outside of a savepoint that it rolled back, rolled back
    /// otherwise. A COPY of `work` must be read or written to its end.
    ///
    /// # Errors
    /// Those of `work`, and [`Error`] for all that happens around it.
    pub async fn run<T, E>(
        &self,
        work: impl FnOnce(&mut PgConnection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        answer(self.pool.submit(None, move |pool| transaction(pool, work))).await
    }

    /// Runs `statement` on a thread of this pool as a transaction by itself: one round trip, where
    /// [`run`](Self::run) makes three; behind PgBouncer it makes three as well. A statement that found its connection dead runs again on
    /// another one.
    ///
    /// # Errors
    /// [`Error`]; [`Error::EndedEarly`] when it left a transaction open, which is rolled back.
    pub async fn ask<T: Send + 'static>(
        &self,
        statement: impl Fn(&mut PgConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, Error> {
        answer(self.pool.submit(None, move |pool| {
            if pool.is_behind_pgbouncer() {
                transaction(pool, |conn| Ok::<_, Error>(statement(conn)?))
            } else {
                single(pool, statement)
            }
        }))
        .await
    }

    /// [`run`](Self::run) for commands: blocks the calling thread.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_blocking<T, E>(
        &self,
        work: impl FnOnce(&mut PgConnection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        answer_blocking(self.pool.submit(None, move |pool| transaction(pool, work)))
    }
}

fn single<T>(
    pool: &Pool,
    statement: impl Fn(&mut PgConnection) -> QueryResult<T>,
) -> Result<T, Error> {
    let answered = RefCell::new(None);
    let mut session = pool.begin(|session| {
        let value = guarded(|| Ok::<_, Error>(statement(&mut session.conn)));
        answered.replace(Some(match value {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(e)) => return Err(BeginError::Refused(e)),
            Err(panicked) => Err(panicked),
        }));
        Ok(())
    })?;
    if depth(&mut session.conn).is_some() {
        session.broken = true;
        return Err(Error::EndedEarly);
    }
    answered.into_inner().unwrap_or(Err(Error::Panicked))
}

fn transaction<T, E: From<Error>>(
    pool: &Pool,
    work: impl FnOnce(&mut PgConnection) -> Result<T, E>,
) -> Result<T, E> {
    let begin = |session: &mut Session| {
        let begun = match &session.pooled {
            None => AnsiTransactionManager::begin_transaction(&mut session.conn),
            Some(settings) => {
                let message = settings.begin("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE");
                pgbouncer::begin(session, &message)
            }
        };
        begun.map_err(BeginError::Refused)
    };
    let mut session = pool
        .begin(begin)
        .inspect_err(|_| pool.count(Outcome::NotBegun))?;
    let result = guarded(|| work(&mut session.conn));
    match result {
        Ok(value) => {
            let committed = commit(&mut session);
            pool.count(outcome(&committed));
            committed.map(|()| value).map_err(E::from)
        }
        Err(e) => {
            pool.count(Outcome::RolledBack);
            rollback(&mut session);
            Err(e)
        }
    }
}

fn commit(session: &mut Session) -> Result<(), Error> {
    if depth(&mut session.conn) != Some(1) {
        session.broken = true;
        return Err(Error::EndedEarly);
    }
    // COMMIT of an aborted transaction is a silent ROLLBACK, but no SELECT succeeds in one.
    match session.conn.batch_execute("SELECT 1; COMMIT") {
        Ok(()) => Ok(()),
        Err(e) if lost(&e) => Err(Error::OutcomeUnknown(e)),
        Err(_) if depth(&mut session.conn) == Some(1) => {
            rollback(session);
            Err(Error::Swallowed)
        }
        Err(e) => Err(e.into()),
    }
}

/// Of a session whose transaction stays open the pool makes no more use.
fn rollback(session: &mut Session) {
    if AnsiTransactionManager::rollback_transaction(&mut session.conn).is_err() {
        session.broken = true;
    }
}

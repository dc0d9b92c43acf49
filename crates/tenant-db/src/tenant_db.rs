//! The one way to a tenant's rows: a closure, inside one transaction, in one context.

use std::time::{SystemTime, UNIX_EPOCH};

use diesel::connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _};
use secrecy::SecretString;

use crate::context::Context;
use crate::error::{Error, lost};
use crate::pool::{BeginError, Pool, PoolSettings, answer, answer_blocking, guarded};
use crate::seal::SealKey;
use crate::session::{Purpose, Session};
use crate::tenant_conn::TenantConn;

/// The database as seen by tenants. Cheap to clone; all clones share one pool.
#[derive(Clone)]
pub struct TenantDb {
    pool: Pool,
    key: SealKey,
}

impl std::fmt::Debug for TenantDb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenantDb")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Whether a transaction may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    ReadWrite,
    ReadOnly,
}

impl Access {
    fn begin(self) -> &'static str {
        match self {
            Self::ReadWrite => "BEGIN ISOLATION LEVEL READ COMMITTED",
            Self::ReadOnly => "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY",
        }
    }
}

impl TenantDb {
    /// Connects as the role of `url`, sealing contexts under `key`.
    ///
    /// # Errors
    /// [`Error::RoleCanBypass`] when that role could see past the policies,
    /// [`Error::Unavailable`] when the first connection fails.
    pub fn connect(
        url: &SecretString,
        key: SealKey,
        settings: &PoolSettings,
    ) -> Result<Self, Error> {
        Ok(Self {
            pool: Pool::open(url, Purpose::Tenant, settings)?,
            key,
        })
    }

    /// Runs `work` in one transaction in this context, on a thread of the pool. It is committed
    /// when `work` answers `Ok` and no statement of it failed, rolled back otherwise.
    ///
    /// Costs two round trips beside those of `work`: one message opens transaction and context,
    /// one commits.
    ///
    /// # Errors
    /// Those of `work`, and [`Error`] for all that happens around it. After
    /// [`Error::OutcomeUnknown`] the transaction may have happened; after any other it has not.
    pub async fn run<T, E>(
        &self,
        context: Context,
        work: impl for<'t> FnOnce(&mut TenantConn<'t>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let key = self.key.clone();
        answer(
            self.pool
                .submit(move |pool| transaction(pool, &key, &context, Access::ReadWrite, work)),
        )
        .await
    }

    /// [`run`](Self::run) in a READ ONLY transaction.
    ///
    /// # Errors
    /// As [`run`](Self::run); a write inside is an error of the database.
    pub async fn read<T, E>(
        &self,
        context: Context,
        work: impl for<'t> FnOnce(&mut TenantConn<'t>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let key = self.key.clone();
        answer(
            self.pool
                .submit(move |pool| transaction(pool, &key, &context, Access::ReadOnly, work)),
        )
        .await
    }

    /// [`run`](Self::run) for commands: blocks the calling thread. Not for async code.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_blocking<T, E>(
        &self,
        context: Context,
        work: impl for<'t> FnOnce(&mut TenantConn<'t>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let key = self.key.clone();
        answer_blocking(
            self.pool
                .submit(move |pool| transaction(pool, &key, &context, Access::ReadWrite, work)),
        )
    }

    /// How many transactions wait for a thread right now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.pool.waiting()
    }
}

fn transaction<T, E: From<Error>>(
    pool: &Pool,
    key: &SealKey,
    context: &Context,
    access: Access,
    work: impl for<'t> FnOnce(&mut TenantConn<'t>) -> Result<T, E>,
) -> Result<T, E> {
    let mut session = pool.begin(|session| enter(session, key, context, access))?;
    let mut conn = TenantConn::new(&mut session, context.tenant());
    let result = guarded(|| work(&mut conn));
    let (failed, untyped) = (conn.has_failed(), conn.untyped);
    let (depth, is_lost) = (conn.depth(), conn.is_lost());
    session.tainted |= untyped;
    if depth == Some(1) && !failed && result.is_ok() {
        commit(&mut session, untyped)?;
        return result;
    }
    if depth == Some(1) {
        rollback(&mut session);
    } else {
        // Somebody ended the transaction or left a savepoint open, or the connection is gone.
        session.broken = true;
    }
    match result {
        Err(e) => Err(e),
        Ok(_) if failed && (depth == Some(1) || is_lost) => Err(Error::Swallowed.into()),
        Ok(_) => Err(Error::EndedEarly.into()),
    }
}

/// What a session goes through after SQL that Diesel did not build. Locks of the session, which
/// outlive a transaction, are let go; of the rest, what cannot be reset raises TN006.
const CLEAN: &str = "RESET ROLE; RESET ALL; SELECT pg_catalog.pg_advisory_unlock_all(); \
    SELECT tenancy.assert_clean()";

/// The prologue: resets what the session may carry, begins, and enters the context, in one
/// message. No text of a user ever stands in it.
fn enter(
    session: &mut Session,
    key: &SealKey,
    context: &Context,
    access: Access,
) -> Result<(), BeginError> {
    if session.tainted {
        match session.conn.batch_execute(CLEAN) {
            Ok(()) => session.tainted = false,
            Err(e) if lost(&e) => return Err(BeginError::Refused(e)),
            Err(_) => return Err(BeginError::Tainted),
        }
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(0));
    let seal = key.seal(context, session.pid, now);
    let message = format!(
        "RESET ROLE; RESET ALL; {}; SELECT tenancy.enter('{seal}')",
        access.begin()
    );
    AnsiTransactionManager::begin_transaction_sql(&mut session.conn, &message).map_err(|e| {
        // Diesel believes that none is open, but PostgreSQL has begun one.
        if session.conn.batch_execute("ROLLBACK").is_err() {
            session.broken = true;
        }
        match &e {
            diesel::result::Error::DatabaseError(_, info)
                if info.constraint_name() == Some("TN006") =>
            {
                BeginError::Tainted
            }
            _ => BeginError::Refused(e),
        }
    })
}

/// The epilogue. After SQL that Diesel did not build, the context must still be there: COMMIT AND
/// CHAIN, for one, leaves a transaction open but an empty slot.
fn commit(session: &mut Session, untyped: bool) -> Result<(), Error> {
    if untyped
        && let Err(e) = session
            .conn
            .batch_execute("SELECT tenancy.current_tenant()")
    {
        session.broken = true;
        return Err(if lost(&e) {
            e.into()
        } else {
            Error::EndedEarly
        });
    }
    AnsiTransactionManager::commit_transaction(&mut session.conn).map_err(|e| match e {
        diesel::result::Error::RollbackErrorOnCommit { commit_error, .. }
            if lost(&commit_error) =>
        {
            Error::OutcomeUnknown(*commit_error)
        }
        e if lost(&e) => Error::OutcomeUnknown(e),
        e => e.into(),
    })
}

fn rollback(session: &mut Session) {
    if AnsiTransactionManager::rollback_transaction(&mut session.conn).is_err() {
        session.broken = true;
    }
}

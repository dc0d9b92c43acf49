//! The one way to a tenant's rows: a closure, inside one transaction, in one context.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use diesel::connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _};
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use secrecy::SecretString;
use uuid::Uuid;

use crate::context::{Actor, Context};
use crate::error::{Error, lost};
use crate::meters::Outcome;
use crate::pgbouncer;
use crate::pool::{BeginError, Pool, PoolSettings, answer, answer_blocking, guarded};
use crate::seal::SealKey;
use crate::session::Session;
use crate::tenant_conn::TenantConn;

/// The database as seen by tenants. Cheap to clone; all clones share their pools.
#[derive(Clone)]
pub struct TenantDb {
    primary: Pool,
    /// Where reads go; without one, to the primary.
    replica: Option<Pool>,
    key: SealKey,
    statement_timeout: Option<Duration>,
}

impl std::fmt::Debug for TenantDb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenantDb")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// How a transaction begins.
#[derive(Debug, Clone)]
struct Opening {
    key: SealKey,
    context: Context,
    access: Access,
    statement_timeout: Option<Duration>,
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
    /// Connects as the role of `url`, sealing contexts under `key`:
    /// [`builder`](Self::builder) without a replica.
    ///
    /// # Errors
    /// [`Error::RoleCanBypass`] when that role could see past the policies,
    /// [`Error::Unavailable`] when the first connection fails.
    pub fn connect(
        url: impl Into<SecretString>,
        key: SealKey,
        settings: &PoolSettings,
    ) -> Result<Self, Error> {
        Self::builder(url, key).pool(settings.clone()).connect()
    }

    pub(crate) fn new(primary: Pool, replica: Option<Pool>, key: SealKey) -> Self {
        Self {
            primary,
            replica,
            key,
            statement_timeout: None,
        }
    }

    /// The same database and pools, but transactions that are begun through this value allow each
    /// of their statements `timeout`, from one millisecond to 24 days, instead of
    /// [`statement_timeout_seconds`](PoolSettings::statement_timeout_seconds): a report takes
    /// longer than a page. Costs no round trip.
    #[must_use]
    pub fn with_statement_timeout(&self, timeout: Duration) -> Self {
        Self {
            statement_timeout: Some(timeout),
            ..self.clone()
        }
    }

    /// Runs `work` in one transaction in this context, on a thread of the pool. It is committed
    /// when `work` answers `Ok` and no statement of it failed, rolled back otherwise.
    ///
    /// Costs two round trips beside those of `work`: one message opens transaction and context,
    /// one commits.
    ///
    /// A closure that is kept in a variable first says the type of its argument, `|conn: &mut
    /// TenantConn<'_>|`: without it the compiler says that its `FnOnce` is not general enough.
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
        let tenant = Some(context.tenant());
        let opening = self.opening(context, Access::ReadWrite);
        answer(
            self.primary
                .submit(tenant, move |pool| transaction(pool, &opening, work)),
        )
        .await
    }

    /// [`run`](Self::run) in a READ ONLY transaction, on the
    /// [replica](crate::TenantDbBuilder::replica) if there is one.
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
        let tenant = Some(context.tenant());
        let opening = self.opening(context, Access::ReadOnly);
        answer(
            self.reading()
                .submit(tenant, move |pool| transaction(pool, &opening, work)),
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
        let tenant = Some(context.tenant());
        let opening = self.opening(context, Access::ReadWrite);
        answer_blocking(
            self.primary
                .submit(tenant, move |pool| transaction(pool, &opening, work)),
        )
    }

    /// Whether the database answers, and accepts the seals of this server: one short transaction on a
    /// connection of each pool, in the queue of all others, without a context. For a start, and for a
    /// readiness check.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Busy`], [`Error::SealKeyRefused`].
    pub async fn health(&self) -> Result<(), Error> {
        for pool in [Some(&self.primary), self.replica.as_ref()]
            .into_iter()
            .flatten()
        {
            let key = self.key.clone();
            answer(pool.submit(None, move |pool| examine(pool, &key))).await?;
        }
        Ok(())
    }

    /// How many transactions wait for a thread right now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let replica = self.replica.as_ref().map_or(0, Pool::waiting);
        self.primary.waiting().saturating_add(replica)
    }

    fn reading(&self) -> &Pool {
        self.replica.as_ref().unwrap_or(&self.primary)
    }

    fn opening(&self, context: Context, access: Access) -> Opening {
        Opening {
            key: self.key.clone(),
            context,
            access,
            statement_timeout: self.statement_timeout,
        }
    }
}

fn transaction<T, E: From<Error>>(
    pool: &Pool,
    opening: &Opening,
    work: impl for<'t> FnOnce(&mut TenantConn<'t>) -> Result<T, E>,
) -> Result<T, E> {
    let mut session = pool
        .begin(|session| enter(session, opening))
        .inspect_err(|_| pool.count(Outcome::NotBegun))?;
    let mut conn = TenantConn::new(&mut session, opening.context.tenant());
    let result = guarded(|| work(&mut conn));
    let (failed, untyped) = (conn.has_failed(), conn.untyped);
    let (depth, is_lost) = (conn.depth(), conn.is_lost());
    // Behind PgBouncer the backend is not the session's: each end and each beginning cleans it.
    session.tainted |= untyped && session.pooled.is_none();
    if depth == Some(1) && !failed && result.is_ok() {
        let committed = commit(&mut session, untyped);
        pool.count(outcome(&committed));
        committed?;
        return result;
    }
    pool.count(Outcome::RolledBack);
    if depth == Some(1) {
        rollback(&mut session, untyped);
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

pub(crate) fn outcome(committed: &Result<(), Error>) -> Outcome {
    match committed {
        Ok(()) => Outcome::Committed,
        Err(Error::OutcomeUnknown(_)) => Outcome::Unknown,
        Err(_) => Outcome::RolledBack,
    }
}

/// What a session goes through after SQL that Diesel did not build. Locks of the session, which
/// outlive a transaction, are let go; of the rest, what cannot be reset raises TN006.
const CLEAN: &str = "RESET ROLE; RESET ALL; SELECT pg_catalog.pg_advisory_unlock_all(); \
    SELECT tenancy.assert_clean()";

/// The prologue: resets what the session may carry, begins, and enters the context, in one
/// message. No text of a user ever stands in it.
fn enter(session: &mut Session, opening: &Opening) -> Result<(), BeginError> {
    if session.tainted {
        match session.conn.batch_execute(CLEAN) {
            Ok(()) => session.tainted = false,
            Err(e) if lost(&e) => return Err(BeginError::Refused(e)),
            Err(_) => return Err(BeginError::Tainted),
        }
    }
    let seal = opening
        .key
        .seal(&opening.context, session.pid, unix_seconds());
    let begin = opening.access.begin();
    // Zero would mean none, and PostgreSQL counts in 31 bits.
    let timeout = opening.statement_timeout.map_or(String::new(), |timeout| {
        let milliseconds = timeout.as_millis().clamp(1, 0x7fff_ffff);
        format!("SET LOCAL statement_timeout = {milliseconds}; ")
    });
    let begin = match &session.pooled {
        None => format!("RESET ROLE; RESET ALL; {begin}"),
        // A default of the role could say otherwise.
        Some(settings) if opening.access == Access::ReadWrite => {
            settings.begin(&format!("{begin} READ WRITE"))
        }
        Some(settings) => settings.begin(begin),
    };
    // Where others of this role see what it runs, PostgreSQL shows them the first bytes only.
    let blanks = " ".repeat(session.blanks);
    let message = format!("{blanks}{begin}; {timeout}SELECT tenancy.enter('{seal}')");
    pgbouncer::begin(session, &message).map_err(|e| match &e {
        diesel::result::Error::DatabaseError(_, info)
            if info.constraint_name() == Some("TN006") =>
        {
            BeginError::Tainted
        }
        _ => BeginError::Refused(e),
    })
}

fn unix_seconds() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(0))
}

#[derive(QueryableByName)]
struct Flaw {
    #[diesel(sql_type = Nullable<Text>)]
    flaw: Option<String>,
}

/// Has a seal looked at that names nobody. It is bound, not written: where others see what this
/// role runs they see no seal.
fn examine(pool: &Pool, key: &SealKey) -> Result<(), Error> {
    let nobody = Actor::User {
        id: Uuid::nil(),
        session: Uuid::nil(),
    };
    let context = Context::new(Uuid::nil(), nobody);
    let found = Cell::new(None);
    drop(pool.begin(|session| {
        let seal = key.seal(&context, session.pid, unix_seconds());
        // In a transaction, as PgBouncer may serve each message by another backend.
        let row = session.conn.transaction(|conn| {
            diesel::sql_query("SELECT tenancy.seal_flaw($1) AS flaw")
                .bind::<Text, _>(seal)
                .get_result::<Flaw>(conn)
        });
        found.set(row.map_err(BeginError::Refused)?.flaw);
        Ok(())
    })?);
    let Some(flaw) = found.take() else {
        return Ok(());
    };
    Err(Error::SealKeyRefused {
        kid: key.kid().to_owned(),
        reason: match flaw.as_str() {
            "unknown" => "it does not know the key, which is to be registered",
            "secret" => "it knows the key with another secret",
            "retired" => "the key has been retired",
            "kind" => "the key may not speak for users",
            "backend" => "seals of the key hold for one backend, and nobody knows which one it is",
            "clock" => "its clock and the server's are more than ten seconds apart",
            _ => "it does not understand the seal",
        },
    })
}

/// The epilogue. After SQL that Diesel did not build, the context must still be there: COMMIT AND
/// CHAIN, for one, leaves a transaction open but an empty slot. Behind PgBouncer such SQL must leave
/// nothing on the backend, which is somebody else's from COMMIT on.
fn commit(session: &mut Session, untyped: bool) -> Result<(), Error> {
    let forget = match session.pooled {
        None => "",
        Some(_) => pgbouncer::FORGET,
    };
    let check = format!("SELECT tenancy.current_tenant(); {forget}");
    if untyped && let Err(e) = session.conn.batch_execute(&check) {
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

fn rollback(session: &mut Session, untyped: bool) {
    let ended = if untyped && session.pooled.is_some() {
        session.conn.batch_execute(pgbouncer::ROLLBACK)
    } else {
        AnsiTransactionManager::rollback_transaction(&mut session.conn)
    };
    if ended.is_err() {
        session.broken = true;
    }
}

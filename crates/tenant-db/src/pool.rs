//! A pool of sessions with the threads that use them; what [`TenantDb`](crate::TenantDb) and
//! [`ServiceDb`](crate::ServiceDb) share. As many threads as connections: a job that has a thread
//! has a connection.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use secrecy::SecretString;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::error::{Error, lost};
use crate::meters::{self, InUse, Outcome};
use crate::session::{Purpose, Session, SessionManager, SessionSettings};
use crate::workers::{Place, Refused, Share, Turn, Workers};

/// How a pool is laid out. Every field has a default.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// Connections, and threads that use them; default 8.
    pub connections: u32,
    /// Jobs that may wait for a thread; default 1024. One more is answered [`Error::Busy`].
    pub queue: usize,
    /// Longest wait for a thread in seconds; default 5. Whoever waited longer gets [`Error::Busy`].
    pub queue_timeout_seconds: u64,
    /// The percentage of connections, and of the queue, that one tenant may have at once, and at
    /// least one connection; default 100: all of them. What a tenant asks for beyond that waits
    /// for its own transactions to end, in the time that the queue allows, and with a full share
    /// of the queue is answered [`Error::Busy`].
    pub tenant_share_percent: u8,
    /// Longest time of one statement in seconds; default 15. See [`Error::Timeout`].
    pub statement_timeout_seconds: u64,
    /// Longest wait of one statement for a lock in seconds, then [`Error::Timeout`]; default 0: as
    /// long as the statement may take. In a pool that all tenants share, what one of them locks
    /// would else hold every connection.
    pub lock_timeout_seconds: u64,
    /// `application_name` as PostgreSQL shows it; default `rowhouse`.
    pub application_name: String,
    /// `search_path` of every session; default `public`.
    pub search_path: String,
    /// Whether PgBouncer in transaction pooling stands before the database; default no. Then no
    /// statement is prepared under a name, and each transaction sets these settings for itself and
    /// takes from its backend what another one left. The pool of the role must be this one's
    /// alone: what others prepare on it is forgotten.
    pub pgbouncer: bool,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            connections: 8,
            queue: 1024,
            queue_timeout_seconds: 5,
            tenant_share_percent: 100,
            statement_timeout_seconds: 15,
            lock_timeout_seconds: 0,
            application_name: "rowhouse".to_owned(),
            search_path: "public".to_owned(),
            pgbouncer: false,
        }
    }
}

pub(crate) type Checkout = r2d2::PooledConnection<SessionManager>;

#[derive(Clone)]
pub(crate) struct Pool {
    sessions: r2d2::Pool<SessionManager>,
    workers: Workers,
    connections: u32,
    pgbouncer: bool,
    /// As metrics name it.
    name: &'static str,
}

thread_local! {
    /// Set while this thread runs a closure inside a transaction.
    static IN_TRANSACTION: Cell<bool> = const { Cell::new(false) };
}

/// How long a checkout waits for a connection to be made.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(1);

impl Pool {
    /// Opens one connection to see that it works, then the pool, which fills in the background.
    pub(crate) fn open(
        url: &SecretString,
        purpose: Purpose,
        settings: &PoolSettings,
    ) -> Result<Self, Error> {
        let session_settings = SessionSettings {
            search_path: settings.search_path.clone(),
            statement_timeout_seconds: settings.statement_timeout_seconds,
            lock_timeout_seconds: settings.lock_timeout_seconds,
            application_name: settings.application_name.clone(),
            force_generic_plan: purpose == Purpose::Tenant,
            pgbouncer: settings.pgbouncer,
        };
        let manager = SessionManager::new(url, purpose, &session_settings);
        manager.open()?;
        let connections = settings.connections.max(1);
        let sessions = r2d2::Pool::builder()
            .max_size(connections)
            .connection_timeout(CONNECTION_TIMEOUT)
            .test_on_check_out(false)
            .idle_timeout(None)
            .error_handler(Box::new(LogConnectFailure::default()))
            .build_unchecked(manager);
        let (threads, name) = match purpose {
            Purpose::Tenant => ("tenant-db", "tenant"),
            Purpose::Service => ("service-db", "service"),
        };
        let count = usize::try_from(connections).unwrap_or(1);
        let workers = Workers::start(
            threads,
            count,
            settings.queue,
            Duration::from_secs(settings.queue_timeout_seconds),
            Share::of(count, settings.queue, settings.tenant_share_percent),
        )?;
        Ok(Self {
            sessions,
            workers,
            connections,
            pgbouncer: settings.pgbouncer,
            name,
        })
    }

    /// The same pool under another name for metrics.
    pub(crate) fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    pub(crate) fn is_behind_pgbouncer(&self) -> bool {
        self.pgbouncer
    }

    pub(crate) fn count(&self, outcome: Outcome) {
        meters::ended(self.name, outcome);
    }

    pub(crate) fn waiting(&self) -> usize {
        self.workers.waiting()
    }

    /// Runs `job`, of this tenant or of none, on a thread of the pool and hands its answer back. A caller that went away
    /// before its turn is skipped.
    pub(crate) fn submit<T, E>(
        &self,
        tenant: Option<Uuid>,
        job: impl FnOnce(&Self) -> Result<T, E> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, E>>, Error>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        if IN_TRANSACTION.get() {
            return Err(Error::Nested);
        }
        let (answer, receiver) = oneshot::channel();
        let pool = self.clone();
        let queued = Instant::now();
        let work = move |turn| {
            if answer.is_closed() {
                return;
            }
            let result = match turn {
                Turn::TooLate => {
                    meters::refused(pool.name, "wait");
                    Err(E::from(Error::Busy))
                }
                Turn::InTime => {
                    meters::waited(pool.name, queued.elapsed());
                    let _in_use = InUse::begin(pool.name);
                    job(&pool)
                }
            };
            // The caller may have gone meanwhile: then nobody wants the answer.
            drop(answer.send(result));
        };
        match self.workers.submit(tenant, Box::new(work)) {
            Ok(Place::Queue) => Ok(receiver),
            Ok(Place::HeldBack) => {
                meters::held_back(self.name);
                Ok(receiver)
            }
            Err(refused) => {
                let reason = match refused {
                    Refused::Queue => "queue",
                    Refused::Share => "share",
                };
                meters::refused(self.name, reason);
                Err(Error::Busy)
            }
        }
    }

    /// A session on which `begin` succeeded. Only while the session that failed was born before
    /// this call is it tried again, on another one: it died in the pool, and nothing had run.
    pub(crate) fn begin(
        &self,
        begin: impl Fn(&mut Session) -> Result<(), BeginError>,
    ) -> Result<Checkout, Error> {
        let called = Instant::now();
        let mut tainted_before = false;
        // Each turn drops a session, so a bound is not needed; it is here all the same.
        for _ in 0..=self.connections.saturating_add(1) {
            let mut session = self
                .sessions
                .get()
                .map_err(|e| Error::Unavailable(Box::new(e)))?;
            match begin(&mut session) {
                Ok(()) => return Ok(session),
                Err(BeginError::Tainted) => {
                    session.broken = true;
                    log::warn!(
                        "a connection was dropped: an earlier transaction had left something behind"
                    );
                    if tainted_before {
                        return Err(Error::Tainted);
                    }
                    tainted_before = true;
                }
                Err(BeginError::Refused(e)) => {
                    let gone = lost(&e);
                    session.broken |= gone;
                    if !(gone && session.born < called) {
                        return Err(e.into());
                    }
                }
            }
        }
        Err(Error::Unavailable(
            "every pooled connection was dead".into(),
        ))
    }
}

/// Why a transaction did not begin.
pub(crate) enum BeginError {
    /// The session carries something of an earlier transaction.
    Tainted,
    Refused(diesel::result::Error),
}

/// Runs the work of a transaction; a panic becomes [`Error::Panicked`].
pub(crate) fn guarded<T, E: From<Error>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    IN_TRANSACTION.set(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    IN_TRANSACTION.set(false);
    result.unwrap_or_else(|_| Err(E::from(Error::Panicked)))
}

/// Waits for the answer of a submitted job without blocking the thread.
pub(crate) async fn answer<T, E: From<Error>>(
    receiver: Result<oneshot::Receiver<Result<T, E>>, Error>,
) -> Result<T, E> {
    match receiver {
        Ok(receiver) => receiver
            .await
            .unwrap_or_else(|_| Err(E::from(Error::Panicked))),
        Err(e) => Err(E::from(e)),
    }
}

/// The same, for a thread that may block.
pub(crate) fn answer_blocking<T, E: From<Error>>(
    receiver: Result<oneshot::Receiver<Result<T, E>>, Error>,
) -> Result<T, E> {
    match receiver {
        Ok(receiver) => receiver
            .blocking_recv()
            .unwrap_or_else(|_| Err(E::from(Error::Panicked))),
        Err(e) => Err(E::from(e)),
    }
}

/// r2d2 tries again by itself, twice a second for each connection; somebody should know why, but
/// not as often.
#[derive(Debug, Default)]
struct LogConnectFailure {
    last: Mutex<Option<Instant>>,
}

/// In an outage a pool logs one line in this time.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

impl r2d2::HandleError<Error> for LogConnectFailure {
    fn handle_error(&self, error: Error) {
        let now = Instant::now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| now.duration_since(last) < LOG_INTERVAL) {
            return;
        }
        *last = Some(now);
        let cause = std::error::Error::source(&error)
            .map(ToString::to_string)
            .unwrap_or_default();
        log::warn!(error:% = error, cause:% = cause.trim_end(); "no database connection could be made");
    }
}

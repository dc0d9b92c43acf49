//! The value that a process holds while it uses a cluster, and the rule by which the last of them stops PostgreSQL.
//! How PostgreSQL is started is in `server`.

use crate::Error;
use crate::data_folder::POSTGRES;
use crate::home::{Home, InUse};
use crate::programs::Programs;
use crate::server::Server;
use crate::url::url;
use crate::watch::Watch;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What [`Cluster::start`] needs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder that holds the cluster; made where it is missing. See [`home_for`](crate::home_for).
    pub home: PathBuf,
    /// The programs to run.
    pub programs: Programs,
    /// Settings of the server, such as `("fsync", "off")` for tests; they win over configuration files and over the
    /// defaults `lc_messages=C`, `timezone=UTC`, `max_connections=100`. `listen_addresses`, `port` and
    /// `unix_socket_directories` are not theirs to set. An adopted server keeps those that it was started with.
    pub settings: Vec<(String, String)>,
}

impl Options {
    /// No settings of one's own.
    #[must_use]
    pub fn new(home: impl Into<PathBuf>, programs: Programs) -> Self {
        Self {
            home: home.into(),
            programs,
            settings: Vec::new(),
        }
    }
}

/// How a [`Cluster`]'s use of PostgreSQL ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// PostgreSQL was stopped.
    Stopped,
    /// PostgreSQL runs on: others use it, or it was adopted.
    LeftRunning,
}

/// A running cluster, in use by this process as long as the value lives.
///
/// **Who stops PostgreSQL.** A process that adopted it never does. The one that started it does, at [`Cluster::stop`]
/// or when the value is dropped, unless another process uses it: then it runs on, until
/// [`Cluster::stop_running`] ends it. A watch that has started a dead PostgreSQL again counts as having started it.
///
/// **Dropping** stops like [`Cluster::stop`], waits for it (mostly well below a second, a minute at most), and logs an
/// error instead of returning it. A process that is killed runs neither; PostgreSQL then runs on, and the next start
/// adopts it.
#[derive(Debug)]
pub struct Cluster {
    server: Arc<Server>,
    /// `None` once the use has ended.
    in_use: Option<InUse>,
    watch: Option<Watch>,
}

impl Cluster {
    /// Adopts the cluster that runs in the home, or starts it, or makes it first. Blocks: some 30 ms, 0.2 s and
    /// 1 s; of several processes that start at once one starts it and the others wait and adopt.
    ///
    /// # Errors
    /// Any of [`Error`], except those about finding programs.
    pub fn start(options: Options) -> Result<Self, Error> {
        let Options {
            home,
            programs,
            settings,
        } = options;
        let home = Home::open(&home)?;
        let _start = home.lock_start()?;
        let in_use = home.lock_in_use()?;
        home.unmark_stopped()?;
        let server = Server::new(home, programs, settings);
        server.ensure_running()?;
        Ok(Self {
            server: Arc::new(server),
            in_use: Some(in_use),
            watch: None,
        })
    }

    /// From now on a thread looks every `interval` (2 s is a good one) whether PostgreSQL has died, and if so starts
    /// it again and logs a warning. It does not restart what [`Cluster::stop_running`] has stopped, nor a cluster whose
    /// data is gone. It ends with this value. A second call replaces the first.
    ///
    /// # Errors
    /// [`Error::Io`] when the system gives no thread.
    pub fn watch(&mut self, interval: Duration) -> Result<(), Error> {
        self.watch = Some(Watch::begin(Arc::clone(&self.server), interval)?);
        Ok(())
    }

    /// The superuser's URL for a database, which need not exist.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.url_for(POSTGRES, None, database)
    }

    /// A role's URL for a database, percent-encoded, in the form that libpq reads:
    /// `postgresql://role@/database?host=%2Ftmp%2Frowhouse-…&port=5432`. PostgreSQL trusts every local connection, so
    /// the password is for URLs that also serve elsewhere.
    #[must_use]
    pub fn url_for(&self, role: &str, password: Option<&str>, database: &str) -> String {
        url(self.socket_dir(), role, password, database)
    }

    /// The folder of the Unix socket.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        self.server.home().socket().path()
    }

    /// The data folder, canonical.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.server.home().data_dir()
    }

    /// PostgreSQL's log, readable by root and by who runs PostgreSQL.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.server.home().log()
    }

    /// The process id of PostgreSQL's first process, if it lives.
    #[must_use]
    pub fn postmaster_pid(&self) -> Option<i32> {
        self.server.pid()
    }

    /// Whether PostgreSQL takes a connection now. Costs one connection, some 5 ms.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.server.is_ready()
    }

    /// Whether this value (its watch included) has started PostgreSQL, as opposed to adopted it.
    #[must_use]
    pub fn was_started_here(&self) -> bool {
        self.server.has_started_it()
    }

    /// Ends the use, and PostgreSQL in fast mode if it is this process's to stop: see [`Cluster`].
    ///
    /// # Errors
    /// [`Error::Program`] when `pg_ctl` cannot stop it within a minute, or [`Error::Io`].
    pub fn stop(mut self) -> Result<End, Error> {
        self.end()
    }

    /// Ends the use and leaves PostgreSQL running.
    pub fn leave_running(mut self) {
        self.watch = None;
        self.in_use = None;
    }

    /// Stops whatever runs in the home, whoever started it and whoever uses it; nothing running is no error. The
    /// watches of other processes let it rest until somebody calls [`Cluster::start`].
    ///
    /// # Errors
    /// [`Error::Program`] when `pg_ctl` cannot stop it within a minute, or [`Error::Io`].
    pub fn stop_running(home: &Path, programs: &Programs) -> Result<(), Error> {
        if !home.exists() {
            return Ok(());
        }
        let home = Home::open(home)?;
        let _start = home.lock_start()?;
        home.mark_stopped()?;
        Server::new(home, programs.clone(), Vec::new()).stop()
    }

    fn end(&mut self) -> Result<End, Error> {
        let Some(in_use) = self.in_use.take() else {
            return Ok(End::LeftRunning);
        };
        // First, and not under the start lock, which it may be about to take.
        self.watch = None;
        let _start = self.server.home().lock_start()?;
        if !(in_use.was_last()? && self.server.has_started_it()) {
            return Ok(End::LeftRunning);
        }
        self.server.stop()?;
        Ok(End::Stopped)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            log::error!(data_dir:? = self.data_dir(), error = error.chain(); "The embedded PostgreSQL was not stopped");
        }
    }
}

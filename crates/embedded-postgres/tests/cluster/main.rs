//! Real clusters, in homes of their own that end with the test. What is asked of PostgreSQL is asked through diesel.
//! Nothing is killed here but a postmaster that the test has started itself, by its process id.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod as_root;
mod deaths;
mod finding;
mod leftovers;
mod life;
mod sharing;

use diesel::dsl::sql;
use diesel::sql_types::Text;
use diesel::{Connection as _, PgConnection, QueryResult, RunQueryDsl as _};
use embedded_postgres::{Cluster, Options, Programs};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A home whose PostgreSQL ends with the value, even when the test has failed.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn data_dir(&self) -> PathBuf {
        self.path().canonicalize().unwrap().join("postgres")
    }

    /// Whether a cluster is being made, or was given up half-made.
    fn has_draft(&self) -> bool {
        let mut entries = std::fs::read_dir(self.path()).unwrap().flatten();
        entries.any(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with("postgres.new")
        })
    }

    /// Without fsync: the tests kill processes, not machines.
    fn options(&self) -> Options {
        let mut options = Options::new(self.path(), Programs::find().unwrap());
        options
            .settings
            .push(("fsync".to_owned(), "off".to_owned()));
        options
    }

    fn start(&self) -> Cluster {
        Cluster::start(self.options()).unwrap()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let stopped = Cluster::stop_running(self.path(), &Programs::find().unwrap());
        assert!(stopped.is_ok() || std::thread::panicking(), "{stopped:?}");
    }
}

fn show(cluster: &Cluster, setting: &str) -> String {
    select(cluster, &format!("current_setting('{setting}')")).unwrap()
}

fn select(cluster: &Cluster, expression: &str) -> QueryResult<String> {
    let mut connection = PgConnection::establish(&cluster.url("postgres"))
        .map_err(|error| diesel::result::Error::QueryBuilderError(error.into()))?;
    diesel::select(sql::<Text>(expression)).get_result(&mut connection)
}

fn execute(cluster: &Cluster, statements: &str) {
    let mut connection = PgConnection::establish(&cluster.url("postgres")).unwrap();
    for statement in statements.split(';') {
        diesel::sql_query(statement)
            .execute(&mut connection)
            .unwrap();
    }
}

fn kill_dead(cluster: &Cluster) -> i32 {
    let pid = cluster.postmaster_pid().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    pid
}

/// Polls until it holds, 15 seconds at most: the time in which a dead PostgreSQL must be back.
fn eventually(what: &str, condition: impl Fn() -> bool) {
    assert!(
        holds_within(Duration::from_secs(15), condition),
        "not within 15 s: {what}"
    );
}

fn holds_within(time: Duration, condition: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + time;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

//! What can go wrong between "no PostgreSQL here" and a running cluster. Binaries print the `Display` to a person;
//! the chain of `source()` says why.

use std::io;
use std::iter;
use std::path::{Path, PathBuf};

/// A failure of this crate. `Display` is fit for a terminal and, where a person can mend it, says how.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No complete set of programs of PostgreSQL 15 or later was found.
    #[error(
        "PostgreSQL 15 or later is needed and its programs (initdb, pg_ctl, postgres) were not found. One of these mends it:\n  \
         Debian, Ubuntu:  sudo apt-get install -y postgresql\n  \
         macOS:           brew install postgresql@17\n  \
         elsewhere:       export ROWHOUSE_PG_BINDIR=/path/to/bin"
    )]
    ProgramsNotFound,

    /// The folder that `ROWHOUSE_PG_BINDIR` names is of no use.
    #[error("ROWHOUSE_PG_BINDIR is {}, but {reason}", bindir.display())]
    UnusableBindir {
        /// The folder.
        bindir: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// The process is root, and there is no OS user for PostgreSQL, which refuses to run as root.
    #[error(
        "PostgreSQL does not run as root, and there is no OS user `postgres` to run it: create one (`useradd --system postgres`) or start as another user"
    )]
    NoAccount,

    /// The process is root, and the OS user `postgres` cannot enter the home.
    #[error("the OS user `postgres` cannot enter {}: open it (`chmod o+x`) or name another home, such as /var/lib/rowhouse", path.display())]
    Unreachable {
        /// The closed folder: the home, or a folder above it.
        path: PathBuf,
    },

    /// The folder for the Unix socket is not private to the user who runs PostgreSQL.
    #[error("the socket folder {} {reason}: remove it, then start again", path.display())]
    SocketFolder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// The data folder holds something, but no cluster.
    #[error("{} is neither empty nor a PostgreSQL cluster: move it away, or name another home", path.display())]
    NotACluster {
        /// The data folder.
        path: PathBuf,
    },

    /// The cluster was made by another major version than that of the programs.
    #[error(
        "{} was made by PostgreSQL {data}, but the programs in {} are PostgreSQL {programs}: set ROWHOUSE_PG_BINDIR to those of {data}",
        path.display(), bindir.display()
    )]
    OtherMajor {
        /// The data folder.
        path: PathBuf,
        /// The data folder's major version.
        data: u32,
        /// The folder of the programs.
        bindir: PathBuf,
        /// The programs' major version.
        programs: u32,
    },

    /// One of PostgreSQL's programs ran and failed.
    #[error("{} failed ({status}): {output}", program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The last lines that it printed.
        output: String,
    },

    /// PostgreSQL did not start.
    #[error("PostgreSQL did not start; its log {} ends with:\n{tail}", log.display())]
    NotStarted {
        /// The log.
        log: PathBuf,
        /// What this attempt wrote to it: the last lines.
        tail: String,
        /// What `pg_ctl` said, or the connection.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The operating system refused something.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, such as `create`.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: names the action and the path of an I/O error.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// What failed and why, for the log.
    pub(crate) fn chain(&self) -> String {
        iter::successors(std::error::Error::source(self), |error| error.source())
            .fold(self.to_string(), |chain, error| format!("{chain}: {error}"))
    }
}

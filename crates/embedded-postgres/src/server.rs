//! PostgreSQL's server in a home: starts it, stops it, and finds out whether it runs. All that changes something here
//! is called under the home's start lock; `cluster` sees to that. The cluster itself is made in `data_folder`.

use crate::Error;
use crate::account::{last_lines, run};
use crate::data_folder::{self, POSTGRES};
use crate::home::Home;
use crate::process::{Process, pid_in};
use crate::programs::Programs;
use crate::socket::PORT;
use crate::url::url;
use diesel::{Connection as _, ConnectionError, PgConnection};
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server that neither answers nor is dead is waited for: it recovers, or it shuts down.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct Server {
    home: Home,
    programs: Programs,
    settings: Vec<(String, String)>,
    /// Whether this value has started the server that runs.
    started: AtomicBool,
}

/// What answers at the socket.
enum Answer {
    Ready,
    /// A server that does not take the connection now.
    Busy(ConnectionError),
    /// A server of a data folder that was moved or deleted below it; its process id.
    Ghost(i32),
    Nothing,
}

impl Server {
    pub(crate) fn new(home: Home, programs: Programs, settings: Vec<(String, String)>) -> Self {
        Self {
            home,
            programs,
            settings,
            started: AtomicBool::new(false),
        }
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    pub(crate) fn has_started_it(&self) -> bool {
        self.started.load(Ordering::SeqCst)
    }

    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.ask(), Answer::Ready)
    }

    /// The process id of the server of this data folder, if it lives.
    pub(crate) fn pid(&self) -> Option<i32> {
        let data_dir = self.home.data_dir();
        pid_in(&data_dir.join("postmaster.pid"))
            .filter(|pid| Process::of(*pid, &data_dir) == Process::Server)
    }

    /// Adopts the server that answers, or makes the cluster where it is missing and starts it.
    pub(crate) fn ensure_running(&self) -> Result<(), Error> {
        // First, lest a server in somebody else's folder be adopted.
        self.home.socket().prepare()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.ask() {
                Answer::Ready => return Ok(()),
                Answer::Nothing => {
                    data_folder::ensure(&self.home, &self.programs, &self.settings)?;
                    return self.start();
                }
                Answer::Ghost(pid) => self.lay(pid)?,
                Answer::Busy(source) if Instant::now() >= deadline => {
                    let (log, tail) = (self.home.log(), tail(&self.home.log(), 0));
                    return Err(Error::NotStarted {
                        log,
                        tail,
                        source: source.into(),
                    });
                }
                Answer::Busy(_) => {}
            }
            thread::sleep(POLL);
        }
    }

    /// For the watch: starts the server if it has died, unless it was stopped on purpose or somebody is at it. Makes
    /// no cluster: where the data is gone, an empty one would hide that. Answers whether it has started it.
    pub(crate) fn revive(&self) -> Result<bool, Error> {
        if self.home.socket().is_bound() {
            return Ok(false);
        }
        let Some(_lock) = self.home.try_lock_start()? else {
            return Ok(false);
        };
        if self.home.is_marked_stopped() || self.home.socket().is_bound() {
            return Ok(false);
        }
        self.start()?;
        Ok(true)
    }

    /// Ends the server in fast mode: open transactions are rolled back, a checkpoint is written.
    pub(crate) fn stop(&self) -> Result<(), Error> {
        if self.pid().is_some() {
            let stopped = run(self
                .pg_ctl("stop")
                .args("--silent --wait --mode=fast --timeout=60 --pgdata".split(' '))
                .arg(self.home.data_dir()));
            // One that has died meanwhile has stopped as well.
            if stopped.is_err() && self.pid().is_some() {
                return stopped;
            }
        }
        self.home.socket().remove();
        Ok(())
    }

    fn ask(&self) -> Answer {
        let socket = self.home.socket();
        if !socket.is_bound() {
            return Answer::Nothing;
        }
        // A server makes the lock file in its data folder before that beside its socket, and removes it after; so they
        // are read in this order.
        let lock_file = self.home.data_dir().join("postmaster.pid");
        let is_gone = lock_file.try_exists().is_ok_and(|exists| !exists);
        let pid = pid_in(&lock_file);
        if let Some(bound) = pid_in(&socket.lock_file())
            && (is_gone || pid.is_some_and(|pid| pid != bound))
        {
            return Answer::Ghost(bound);
        }
        let url = url(socket.path(), POSTGRES, None, POSTGRES);
        match PgConnection::establish(&format!("{url}&connect_timeout=5")) {
            Ok(_) => Answer::Ready,
            Err(error) => Answer::Busy(error),
        }
    }

    /// Ends a ghost without a checkpoint, for which it has no place, and waits until it has removed its lock file.
    fn lay(&self, pid: i32) -> Result<(), Error> {
        log::warn!(pid; "A PostgreSQL whose data folder is gone holds the socket and is ended");
        let killed = run(self.pg_ctl("kill").args(["QUIT", &pid.to_string()]));
        let deadline = Instant::now() + PATIENCE;
        while self.home.socket().lock_file().exists() {
            if Instant::now() >= deadline {
                let path = self.home.socket().path().to_owned();
                let reason = format!("is held by process {pid}, whose data folder is gone");
                return killed.and(Err(Error::SocketFolder { path, reason }));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    fn start(&self) -> Result<(), Error> {
        if self.pid().is_some() {
            // It lives but its socket is gone: something has tidied /tmp.
            self.stop()?;
        }
        self.home.socket().prepare()?;
        self.release_lock_files()?;
        let log = self.home.log();
        let offset = self.open_log(&log)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let started = run(self
                .pg_ctl("start")
                .args("--silent --wait --timeout=60 --pgdata".split(' '))
                .arg(self.home.data_dir())
                .arg("--log")
                .arg(&log)
                .args(["--options", &self.server_options()]));
            let Err(source) = started else {
                self.started.store(true, Ordering::SeqCst);
                return Ok(());
            };
            let tail = tail(&log, offset);
            // The children of a killed server take a moment to notice.
            if !tail.contains("still in use") || Instant::now() >= deadline {
                return Err(Error::NotStarted {
                    log,
                    tail,
                    source: source.into(),
                });
            }
            thread::sleep(POLL);
        }
    }

    /// On the command line, where nothing in a configuration file or by ALTER SYSTEM overrides them. The last of the
    /// same name wins: the caller's over the defaults, what makes the cluster private over the caller's.
    fn server_options(&self) -> String {
        let socket_dir = self.home.socket().path().to_string_lossy();
        let port = PORT.to_string();
        let defaults = [
            ("lc_messages", "C"),
            ("timezone", "UTC"),
            ("log_timezone", "UTC"),
            ("max_connections", "100"),
        ];
        let private = [
            ("listen_addresses", ""),
            ("unix_socket_directories", &*socket_dir),
            ("port", &*port),
        ];
        let callers = self
            .settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let all = defaults.into_iter().chain(callers).chain(private);
        all.map(|(name, value)| format!("-c {}", shell_quoted(&format!("{name}={value}"))))
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// PostgreSQL believes a lock file whose process id lives, whoever has that id by now; so those of strangers go.
    /// That of nobody stays: PostgreSQL handles it, and reads in it which shared memory to look for.
    fn release_lock_files(&self) -> Result<(), Error> {
        let data_dir = self.home.data_dir();
        for lock_file in [
            data_dir.join("postmaster.pid"),
            self.home.socket().lock_file(),
        ] {
            if pid_in(&lock_file)
                .is_some_and(|pid| Process::of(pid, &data_dir) == Process::Stranger)
            {
                fs::remove_file(&lock_file).map_err(Error::io("remove", &lock_file))?;
            }
        }
        Ok(())
    }

    /// Makes the log where it is missing; answers its length.
    fn open_log(&self, log: &Path) -> Result<u64, Error> {
        let opened = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(log);
        let file = opened.map_err(Error::io("open", log))?;
        self.home.account().own(&file, log)?;
        Ok(file.metadata().map_err(Error::io("read", log))?.len())
    }

    fn pg_ctl(&self, action: &str) -> Command {
        let mut command = self.home.account().command(&self.programs.pg_ctl());
        command.arg(action);
        command
    }
}

/// `pg_ctl` hands the server's options to a shell.
fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The last lines of the log from this offset on; empty when it cannot be read, as it only adorns an error.
fn tail(log: &Path, offset: u64) -> String {
    let read = || {
        let mut file = File::open(log)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        std::io::Result::Ok(bytes)
    };
    last_lines(&String::from_utf8_lossy(&read().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::shell_quoted;

    #[test]
    fn a_quote_in_a_setting_does_not_end_the_shell_s_word() {
        assert_eq!(shell_quoted("a='b c'"), r"'a='\''b c'\'''");
    }
}

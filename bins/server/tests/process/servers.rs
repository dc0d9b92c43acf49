//! A home, and servers that run from it.

use std::fs::{self, Permissions};
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use embedded_postgres::{Cluster, Programs};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::http::Client;

/// A folder that `postgres` can pass through; what runs in it ends with this value.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::set_permissions(home.path(), Permissions::from_mode(0o711)).unwrap();
        Self(home)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The first process of the PostgreSQL that runs here.
    pub(crate) fn postgres(&self) -> Option<Pid> {
        let file = self.path().join("postgres/postmaster.pid");
        let text = fs::read_to_string(file).ok()?;
        Some(Pid::from_raw(text.lines().next()?.parse().ok()?))
    }

    /// The server's command, for tests, on any free port, with an environment of its own.
    pub(crate) fn command(&self) -> Command {
        let mut command = command();
        command
            .env("ROWHOUSE_HOME", self.path())
            .env("ROWHOUSE_ENV", "test")
            .current_dir(self.path());
        command
    }

    /// A server that listens.
    pub(crate) fn serve(&self) -> Server {
        Server::start(&mut self.command())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let stopped = Cluster::stop_running(self.path(), &Programs::find().unwrap());
        assert!(stopped.is_ok() || thread::panicking(), "{stopped:?}");
    }
}

/// The server with nothing in its environment but what finds programs.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rowhouse-server"));
    command
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| {
            [
                "PATH",
                "HOME",
                "TMPDIR",
                "ROWHOUSE_PG_BINDIR",
                "LLVM_PROFILE_FILE",
            ]
            .iter()
            .any(|kept| name == kept)
        }))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A process of the server; killed with this value unless it has ended.
pub(crate) struct Process {
    child: Child,
    out: Lines,
    err: Lines,
    readers: Vec<thread::JoinHandle<()>>,
}

/// What a process has printed so far.
type Lines = Arc<Mutex<Vec<String>>>;

/// A process that listens.
pub(crate) struct Server {
    process: Process,
    address: String,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (out, err) = (Lines::default(), Lines::default());
        let readers = vec![
            collect(child.stdout.take().unwrap(), &out),
            collect(child.stderr.take().unwrap(), &err),
        ];
        Self {
            child,
            out,
            err,
            readers,
        }
    }

    /// What it printed for people.
    pub(crate) fn printed(&self) -> String {
        self.out.lock().unwrap().join("\n")
    }

    /// What it logged, and why it failed.
    pub(crate) fn log(&self) -> String {
        self.err.lock().unwrap().join("\n")
    }

    /// Where it listens, if it does.
    pub(crate) fn address(&self) -> Option<String> {
        let lines = self.err.lock().unwrap();
        lines.iter().find_map(|line| address_in(line))
    }

    /// How it ended, if it has; then all that it printed is there.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().unwrap()?;
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        Some(status)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            // What it said belongs to the test's failure.
            drop(writeln!(io::stderr(), "{}", self.log()));
        }
        if self.child.try_wait().unwrap().is_none() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}

impl Server {
    /// Waits until it listens.
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut process = Process::start(command);
        let address = eventually("the server listens", || {
            assert_eq!(process.ended(), None, "it has ended");
            process.address()
        });
        Self { process, address }
    }

    /// Somebody who calls it, without a token.
    pub(crate) fn client(&self) -> Client {
        Client::of(&self.address)
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What it printed for people.
    pub(crate) fn banner(&self) -> String {
        self.process.printed()
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// As the function of this name; a server that ends meanwhile fails the test at once.
    #[track_caller]
    pub(crate) fn eventually(&mut self, what: &str, holds: impl Fn() -> bool) {
        eventually(what, || {
            assert_eq!(self.process.ended(), None, "it has ended before {what}");
            holds().then_some(())
        });
    }

    /// Asks it to stop, and waits until it has.
    #[track_caller]
    pub(crate) fn terminate(self) -> ExitStatus {
        self.stop_with(Signal::SIGTERM)
    }

    /// As [`terminate`](Self::terminate), by another signal.
    #[track_caller]
    pub(crate) fn stop_with(mut self, signal: Signal) -> ExitStatus {
        self.process.signal(signal);
        eventually("the server stops", || self.process.ended())
    }

    /// Ends it without a chance to do anything about it.
    pub(crate) fn kill(mut self) {
        self.process.signal(Signal::SIGKILL);
        eventually("the server is dead", || self.process.ended());
    }
}

/// Where a line says that the server listens, as people read it or as machines do.
fn address_in(line: &str) -> Option<String> {
    if !line.contains("listening") {
        return None;
    }
    let (_, text) = line
        .split_once("address=")
        .or_else(|| line.split_once("\"address\":\""))?;
    Some(text.split('"').next().unwrap().to_owned())
}

fn collect(stream: impl Read + Send + 'static, lines: &Lines) -> thread::JoinHandle<()> {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            lines.lock().unwrap().push(line);
        }
    })
}

/// Asks again until there is an answer; a test fails after two minutes without one.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within two minutes: {what}");
        thread::park_timeout(Duration::from_millis(20));
    }
}

/// As [`eventually`], of what has to be awaited.
pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !holds().await {
        assert!(Instant::now() < deadline, "not within two minutes: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

//! A Redis of a test's own, which can be killed, paused, filled and started again.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(30);

/// A running `redis-server` on a socket in a folder of its own; it keeps nothing on disk, and ends
/// with this value.
#[derive(Debug)]
pub struct Redis {
    folder: TempDir,
    process: Option<Child>,
}

impl Redis {
    /// A new one, empty.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        let mut redis = Self {
            folder: tempfile::tempdir().unwrap(),
            process: None,
        };
        redis.restart();
        redis
    }

    /// For `redis.url`.
    ///
    /// # Panics
    /// Never: the folder's name is text.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().to_str().unwrap())
    }

    /// Starts it again on the same socket, empty, if it was killed.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        if self.process.is_some() {
            return;
        }
        let process = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no"])
            .arg("--unixsocket")
            .arg(self.socket())
            .arg("--dir")
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is missing: make test installs it");
        self.process = Some(process);
        let deadline = Instant::now() + DEADLINE;
        while !self.answers() {
            assert!(Instant::now() < deadline, "redis-server does not answer");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it with SIGKILL.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Stops it with SIGSTOP: it takes connections, and answers nothing.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// What it answers to one command, in the words of its protocol: a status, an error, a number, a
    /// string; of a list, one a line.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn ask(&self, command: &str) -> String {
        self.try_ask(command).unwrap()
    }

    /// Its clock, in microseconds.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn micros(&self) -> u64 {
        let time = self.ask("TIME");
        let (seconds, micros) = time.split_once('\n').unwrap();
        seconds.parse::<u64>().unwrap() * 1_000_000 + micros.parse::<u64>().unwrap()
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    fn answers(&self) -> bool {
        self.try_ask("PING").is_ok_and(|answer| answer == "+PONG")
    }

    fn try_ask(&self, command: &str) -> std::io::Result<String> {
        let mut stream = UnixStream::connect(self.socket())?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.write_all(format!("{command}\r\n").as_bytes())?;
        read(&mut BufReader::new(stream))
    }

    fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().unwrap();
        kill(Pid::from_raw(process.id().try_into().unwrap()), signal).unwrap();
    }
}

/// One answer (RESP2).
fn read(stream: &mut BufReader<UnixStream>) -> std::io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let line = line.trim_end().to_owned();
    match line.split_at_checked(1) {
        Some(("$", length)) => {
            let Ok(length) = length.parse::<usize>() else {
                return Ok(String::new());
            };
            let mut text = vec![0; length + 2];
            stream.read_exact(&mut text)?;
            Ok(String::from_utf8_lossy(&text[..length]).into_owned())
        }
        Some(("*", count)) => {
            let count: usize = count.parse().unwrap();
            let parts: std::io::Result<Vec<_>> = (0..count).map(|_| read(stream)).collect();
            Ok(parts?.join("\n"))
        }
        _ => Ok(line),
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

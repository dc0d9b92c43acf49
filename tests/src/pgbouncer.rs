//! A PgBouncer of a test's own, with the `pgbouncer.ini` of `docs/pgbouncer.md`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use embedded_postgres::testing::{command, give};
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;

use crate::Database;

const DOCUMENT: &str = include_str!("../../docs/pgbouncer.md");

/// In transaction pooling, on a socket in a folder of its own. It ends with this value.
#[derive(Debug)]
pub struct PgBouncer {
    folder: TempDir,
    process: Child,
}

impl PgBouncer {
    /// In front of this database, with so many backends for each role.
    ///
    /// # Panics
    /// When it does not start: the package `pgbouncer` has to be installed.
    #[must_use]
    pub fn start(database: &Database, backends: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = database.url("rowhouse_app");
        let (_, rest) = url.expose_secret().rsplit_once('@').unwrap();
        let (name, host) = rest.split_once("?host=").unwrap();
        let name = name.trim_start_matches('/').to_owned();
        let host = host.split('&').next().unwrap().replace("%2F", "/");
        let port = fs::read_dir(&host)
            .unwrap()
            .find_map(|file| {
                let file = file.unwrap().file_name().into_string().unwrap();
                file.strip_prefix(".s.PGSQL.")?.parse::<u16>().ok()
            })
            .unwrap();
        let ini = configuration(&[
            ("rowhouse", format!("host={host} port={port} dbname={name}")),
            ("listen_addr", String::new()),
            ("unix_socket_dir", shown(folder.path())),
            ("auth_file", shown(&folder.path().join("userlist.txt"))),
            ("logfile", shown(&folder.path().join("log"))),
            ("pidfile", shown(&folder.path().join("pid"))),
            ("default_pool_size", backends.to_string()),
        ]);
        fs::write(folder.path().join("pgbouncer.ini"), ini).unwrap();
        let users =
            ["rowhouse_app", "rowhouse_auth"].map(|role| format!("\"{role}\" \"secret\"\n"));
        fs::write(folder.path().join("userlist.txt"), users.concat()).unwrap();
        for file in ["", "pgbouncer.ini", "userlist.txt"] {
            give(&folder.path().join(file)).unwrap();
        }
        fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
        // It refuses root, as PostgreSQL does.
        let mut command = command(&program()).unwrap();
        command
            .arg(folder.path().join("pgbouncer.ini"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut this = Self {
            process: command.spawn().expect("the package pgbouncer"),
            folder,
        };
        this.await_socket();
        this
    }

    fn await_socket(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while UnixStream::connect(self.folder.path().join(".s.PGSQL.6432")).is_err() {
            let log = || fs::read_to_string(self.folder.path().join("log"));
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}: {:?}", log());
            assert!(Instant::now() < deadline, "no socket: {:?}", log());
            thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// The URL of this role through it.
    #[must_use]
    pub fn url(&self, role: &str) -> SecretString {
        let host = shown(self.folder.path()).replace('/', "%2F");
        format!("postgresql://{role}:secret@/rowhouse?host={host}&port=6432").into()
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The documented file with other values for some of its keys.
fn configuration(changes: &[(&str, String)]) -> String {
    let (_, ini) = DOCUMENT.split_once("```ini\n").unwrap();
    let (ini, _) = ini.split_once("```").unwrap();
    let mut lines: Vec<String> = ini.lines().map(ToOwned::to_owned).collect();
    for (key, value) in changes {
        let line = lines
            .iter_mut()
            .find(|line| line.starts_with(&format!("{key} = ")))
            .unwrap_or_else(|| panic!("{key} is not in docs/pgbouncer.md"));
        *line = format!("{key} = {value}");
    }
    lines.join("\n")
}

/// Debian keeps it where not everybody's PATH leads.
fn program() -> PathBuf {
    let debian = PathBuf::from("/usr/sbin/pgbouncer");
    if debian.exists() {
        debian
    } else {
        "pgbouncer".into()
    }
}

fn shown(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

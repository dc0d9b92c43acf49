//! Finds PostgreSQL's programs on the machine. It downloads nothing, and uses neither `psql` nor any wrapper script.

use crate::Error;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest major version that is used.
const OLDEST_MAJOR: u32 = 15;

const NAMES: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// Where packagers put PostgreSQL: a folder, how the entries that count begin, and where their programs are.
const PLACES: [(&str, &str, &str); 5] = [
    ("usr/lib/postgresql", "", "bin"),
    ("usr", "pgsql-", "bin"),
    ("opt/homebrew/opt", "postgresql", "bin"),
    ("usr/local/opt", "postgresql", "bin"),
    ("Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// PostgreSQL's `initdb`, `pg_ctl` and `postgres`, of one version and from one folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    bindir: PathBuf,
    major: u32,
}

impl Programs {
    /// Finds the programs: only in the folder `ROWHOUSE_PG_BINDIR` when that is set, otherwise on `PATH` and where
    /// Debian, Red Hat, Homebrew and Postgres.app put them. Of all that are found the highest major version wins,
    /// 15 at least. Runs `postgres --version` once for each candidate, some 5 ms each.
    ///
    /// # Errors
    /// [`Error::ProgramsNotFound`], whose message says how to mend it, or [`Error::UnusableBindir`].
    pub fn find() -> Result<Self, Error> {
        let bindir = env::var_os("ROWHOUSE_PG_BINDIR").filter(|value| !value.is_empty());
        Self::find_in(
            bindir.as_deref(),
            env::var_os("PATH").as_deref(),
            Path::new("/"),
        )
    }

    /// [`Programs::find`] with the values of `ROWHOUSE_PG_BINDIR` and `PATH` given, and the packagers' places looked
    /// up below `root` instead of `/`.
    ///
    /// # Errors
    /// As [`Programs::find`].
    pub fn find_in(
        bindir: Option<&OsStr>,
        path: Option<&OsStr>,
        root: &Path,
    ) -> Result<Self, Error> {
        if let Some(bindir) = bindir {
            let bindir = Path::new(bindir);
            return Self::at(bindir).map_err(|reason| Error::UnusableBindir {
                bindir: bindir.to_owned(),
                reason,
            });
        }
        let on_path = path
            .into_iter()
            .flat_map(env::split_paths)
            .filter(|folder| folder.is_absolute());
        let candidates: Vec<Self> = on_path
            .chain(packaged(root))
            .filter_map(|folder| Self::at(&folder).ok())
            .collect();
        // The first of equals wins, so that PATH goes before the packagers' places; `max_by_key` takes the last.
        candidates
            .into_iter()
            .rev()
            .max_by_key(|programs| programs.major)
            .ok_or(Error::ProgramsNotFound)
    }

    /// The programs in this folder, or what is wrong with it.
    fn at(bindir: &Path) -> Result<Self, String> {
        let missing: Vec<&str> = NAMES
            .into_iter()
            .filter(|name| !bindir.join(name).is_file())
            .collect();
        if !missing.is_empty() {
            return Err(format!("{} is not in it", missing.join(", ")));
        }
        // Absolute, because the programs are run from `/`.
        let bindir = bindir.canonicalize().map_err(|error| error.to_string())?;
        let output = Command::new(bindir.join("postgres"))
            .arg("--version")
            .output()
            .map_err(|error| format!("its postgres does not run: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        match major_in(&text) {
            Some(major) if major >= OLDEST_MAJOR => Ok(Self { bindir, major }),
            Some(major) => Err(format!(
                "it holds PostgreSQL {major}; {OLDEST_MAJOR} or later is needed"
            )),
            None => Err(format!(
                "its postgres does not say its version: {:?}",
                text.trim()
            )),
        }
    }

    /// The major version, such as 15.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The folder that they are in, absolute.
    #[must_use]
    pub fn bindir(&self) -> &Path {
        &self.bindir
    }

    /// The path of `initdb`.
    #[must_use]
    pub fn initdb(&self) -> PathBuf {
        self.bindir.join("initdb")
    }

    /// The path of `pg_ctl`.
    #[must_use]
    pub fn pg_ctl(&self) -> PathBuf {
        self.bindir.join("pg_ctl")
    }

    /// The path of `postgres`.
    #[must_use]
    pub fn postgres(&self) -> PathBuf {
        self.bindir.join("postgres")
    }
}

/// The folders that exist in the packagers' places below `root`. A place that cannot be read holds none.
fn packaged(root: &Path) -> impl Iterator<Item = PathBuf> {
    PLACES.into_iter().flat_map(move |(folder, prefix, bin)| {
        fs::read_dir(root.join(folder))
            .into_iter()
            .flatten()
            .flatten()
            .filter(move |entry| entry.file_name().to_string_lossy().starts_with(prefix))
            .map(move |entry| entry.path().join(bin))
    })
}

/// The major version in the output of `postgres --version`.
fn major_in(text: &str) -> Option<u32> {
    let (_, version) = text.split_once("(PostgreSQL) ")?;
    version
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::major_in;

    #[test]
    fn the_major_version_is_read_from_releases_and_from_betas() {
        assert_eq!(
            major_in("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(major_in("postgres (PostgreSQL) 18beta2\n"), Some(18));
        assert_eq!(major_in("postgres (PostgreSQL) 17\n"), Some(17));
        assert_eq!(major_in("postgres (EnterpriseDB) 16.1\n"), None);
    }
}

//! A database per test, cut from a template, on one cluster that all test processes share. Behind the feature
//! `testing`. The cluster runs without fsync: it is fast, and nothing in it is worth keeping.

use crate::account::Account;
use crate::{Cluster, Options, Programs};
use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use std::error::Error;
use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};

type Failure = Box<dyn Error + Send + Sync>;

/// A database of one test; dropped with this value, whoever is still connected.
#[derive(Debug)]
pub struct TestDatabase {
    owner: Owner,
    cluster: Option<Cluster>,
    name: String,
}

/// Who makes a test's database. Roles are of a cluster, so each has one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The cluster's superuser.
    Superuser,
    /// The role of [`Owner::name`], who is no superuser and may make roles and databases: what a managed
    /// service hands out.
    Managed,
}

impl Owner {
    /// The role that owns the databases.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Superuser => "postgres",
            Self::Managed => "cloud_admin",
        }
    }

    fn home(self) -> PathBuf {
        let suffix = match self {
            Self::Superuser => "",
            Self::Managed => "-managed",
        };
        // One per OS user, in the system's folder for temporary files: `postgres` must be able to reach it when
        // root runs the tests.
        std::env::temp_dir().join(format!(
            "rowhouse-test-cluster-{}{suffix}",
            nix::unistd::getuid()
        ))
    }
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    datname: String,
}

impl TestDatabase {
    /// A fresh copy of the template `label`, which is made first where no process has made it yet: `prepare` gets
    /// the owner's URL of an empty database. `fingerprint` tells versions of the template apart: a hash of all
    /// that `prepare` depends on. `finish` runs on the copy, for what `CREATE DATABASE … TEMPLATE` does not carry.
    ///
    /// # Errors
    /// When PostgreSQL cannot be found or started, or when `prepare` or `finish` fails.
    pub fn create(
        owner: Owner,
        label: &str,
        fingerprint: &str,
        prepare: impl FnOnce(&str) -> Result<(), Failure>,
        finish: impl FnOnce(&str) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let home = owner.home();
        let cluster = start(&home)?;
        let mut admin = PgConnection::establish(&cluster.url("postgres"))?;
        let template = format!("template_{label}_{fingerprint}");
        ensure_template(&home, owner, &cluster, &mut admin, &template, prepare)?;
        let name = format!(
            "test_{}_{}",
            process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))?;
        let role = owner.name();
        admin.batch_execute(&format!(
            "CREATE DATABASE {name} TEMPLATE {template} OWNER {role}"
        ))?;
        let database = Self {
            owner,
            cluster: Some(cluster),
            name,
        };
        finish(&database.url_for(role))?;
        Ok(database)
    }

    /// The superuser's URL.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_for("postgres")
    }

    /// A role's URL; the cluster asks for no password.
    #[must_use]
    pub fn url_for(&self, role: &str) -> String {
        self.cluster
            .as_ref()
            .map(|cluster| cluster.url_for(role, None, &self.name))
            .unwrap_or_default()
    }

    /// Who made it.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// The database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Some(cluster) = self.cluster.take() else {
            return;
        };
        let dropped = PgConnection::establish(&cluster.url("postgres"))
            .map_err(Failure::from)
            .and_then(|mut admin| {
                let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
                admin.batch_execute(&sql).map_err(Failure::from)
            });
        if let Err(error) = dropped {
            log::warn!(database:% = self.name, error:% = error; "a test database was left behind");
        }
        cluster.leave_running();
    }
}

/// A command as the user who runs PostgreSQL: for other programs that refuse root.
///
/// # Errors
/// When that user is not there.
pub fn command(program: &Path) -> Result<Command, Failure> {
    Ok(Account::find()?.command(program))
}

/// Gives a file or folder to that user.
///
/// # Errors
/// When it cannot be opened, or not be given.
pub fn give(path: &Path) -> Result<(), Failure> {
    Ok(Account::find()?.own(&File::open(path)?, path)?)
}

/// Stops the clusters that the tests share; none is no error.
///
/// # Errors
/// When PostgreSQL does not stop.
pub fn stop_shared_cluster() -> Result<(), Failure> {
    for owner in [Owner::Superuser, Owner::Managed] {
        Cluster::stop_running(&owner.home(), &Programs::find()?)?;
    }
    Ok(())
}

fn start(home: &Path) -> Result<Cluster, Failure> {
    match DirBuilder::new().mode(0o711).create(home) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
        _ => {}
    }
    // The name is predictable: what stands there must be ours.
    let found = fs::symlink_metadata(home)?;
    if !found.is_dir() || found.uid() != nix::unistd::getuid().as_raw() {
        return Err(format!("{} belongs to somebody else", home.display()).into());
    }
    let mut options = Options::new(home, Programs::find()?);
    options.settings = [
        ("fsync", "off"),
        ("synchronous_commit", "off"),
        ("full_page_writes", "off"),
        ("max_connections", "400"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .to_vec();
    Ok(Cluster::start(options)?)
}

fn ensure_template(
    home: &Path,
    owner: Owner,
    cluster: &Cluster,
    admin: &mut PgConnection,
    template: &str,
    prepare: impl FnOnce(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let lock = File::create(home.join("template.lock"))?;
    lock.lock()?;
    let databases: Vec<Name> = diesel::sql_query("SELECT datname FROM pg_database").load(admin)?;
    if databases
        .iter()
        .any(|database| database.datname == template)
    {
        return Ok(());
    }
    for stale in databases
        .iter()
        .filter(|database| is_left_behind(&database.datname))
    {
        admin.batch_execute(&format!(
            "DROP DATABASE IF EXISTS {} WITH (FORCE)",
            stale.datname
        ))?;
    }
    let draft = format!("{template}_draft");
    admin.batch_execute(&format!("DROP DATABASE IF EXISTS {draft} WITH (FORCE)"))?;
    let role = owner.name();
    if owner == Owner::Managed {
        admin.batch_execute(&format!(
            "DO $$ BEGIN CREATE ROLE {role} LOGIN CREATEROLE CREATEDB; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        ))?;
    }
    admin.batch_execute(&format!("CREATE DATABASE {draft} OWNER {role}"))?;
    prepare(&cluster.url_for(role, None, &draft))?;
    admin.batch_execute(&format!("ALTER DATABASE {draft} RENAME TO {template}"))?;
    Ok(())
}

/// A test's database whose process has ended without dropping it.
fn is_left_behind(database: &str) -> bool {
    database
        .strip_prefix("test_")
        .and_then(|rest| rest.split('_').next())
        .and_then(|pid| pid.parse::<i32>().ok())
        .is_some_and(|pid| {
            let alive = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None);
            alive == Err(nix::errno::Errno::ESRCH)
        })
}

//! Where the rows are: a database that somebody runs, or one of our own.

use std::env;
use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::settings::Environment;
use api::Services;
use auth::{Password, PasswordThreads, SecretKeys};
use embedded_postgres::{Cluster, End, Options, Programs, home_for};
use store::bootstrap::Passwords;
use store::{Credentials, EMBEDDED_DATABASE, OwnerDb, RoleUrls, demo};
use tenant_db::SealKey;

use crate::settings::Settings;

/// What the server connects with.
pub(crate) struct Database {
    pub(crate) urls: RoleUrls,
    pub(crate) seal_key: SealKey,
    pub(crate) secret_keys: SecretKeys,
    /// Where credentials lie, and mails that no server sends.
    pub(crate) home: PathBuf,
    /// `None` when somebody else runs the database. Ours stops with this value.
    pub(crate) embedded: Option<Cluster>,
}

impl Database {
    /// Stops our PostgreSQL, if it is ours to stop.
    pub(crate) fn close(self) -> Result<(), Box<dyn Error>> {
        if let Some(cluster) = self.embedded
            && cluster.stop()? == End::LeftRunning
        {
            log::info!("PostgreSQL was left running: another server uses it, or had started it");
        }
        Ok(())
    }
}

/// No seal key is configured and none could be made.
#[derive(Debug, thiserror::Error)]
#[error("seal.keys is empty")]
struct NoSealKey;

/// `ROWHOUSE_PG_BINDIR` is of no use; what mends missing programs mends that too.
#[derive(Debug, thiserror::Error)]
#[error("{0}\n{mending}", mending = embedded_postgres::Error::ProgramsNotFound)]
struct UnusableBindir(embedded_postgres::Error);

/// The home cannot be locked.
#[derive(Debug, thiserror::Error)]
#[error("cannot lock {path}")]
struct NotLocked {
    path: PathBuf,
    source: std::io::Error,
}

pub(crate) async fn open(
    settings: &Settings,
    passwords: &PasswordThreads,
) -> Result<Database, Box<dyn Error>> {
    let home = env::var_os("ROWHOUSE_HOME").map(PathBuf::from);
    if settings.database.is_external() {
        let home = home.unwrap_or_else(|| PathBuf::from(".rowhouse"));
        let credentials = Credentials::load_or_create(&home)?;
        let keys = settings
            .database
            .seal_keys(settings.seal.keys(&credentials)?);
        let role_passwords = settings.database.passwords(&credentials);
        return database(settings, home, &credentials, &keys, &role_passwords, None);
    }
    let home = home_for(home.as_deref())?;
    log::info!(home:% = home.display(); "no DATABASE_URL: PostgreSQL runs from the home folder");
    let mut cluster = Cluster::start(Options::new(&home, programs()?))?;
    // Of servers that start at once on one home, the first prepares it; held to the end of `open`.
    let _prepares = lock(&home)?;
    let credentials = Credentials::load_or_create(&home)?;
    let keys = settings
        .database
        .seal_keys(settings.seal.keys(&credentials)?);
    let role_passwords = settings.database.passwords(&credentials).of_own_cluster();

    OwnerDb::connect(&cluster.url("postgres").into())?.create_database(EMBEDDED_DATABASE)?;
    let mut owner = OwnerDb::connect(&cluster.url(EMBEDDED_DATABASE).into())?;
    for migration in owner.up(&role_passwords, &keys)?.migrations {
        log::info!(migration:% = migration; "migrated");
    }
    if owner.lacks_demo()? {
        let hash = passwords.hash(Password::parse_new(demo::PASSWORD)?).await?;
        let added = owner.seed_demo(&hash)?;
        log::info!(tenants = added; "demo tenants were added");
    }
    cluster.watch(Duration::from_secs(2))?;
    database(
        settings,
        home,
        &credentials,
        &keys,
        &role_passwords,
        Some(cluster),
    )
}

fn programs() -> Result<Programs, Box<dyn Error>> {
    Programs::find().map_err(|error| match error {
        error @ embedded_postgres::Error::UnusableBindir { .. } => UnusableBindir(error).into(),
        error => error.into(),
    })
}

fn lock(home: &Path) -> Result<File, NotLocked> {
    let path = home.join("prepare.lock");
    let lock = File::create(&path).and_then(|file| file.lock().map(|()| file));
    lock.map_err(|source| NotLocked { path, source })
}

/// Why the server does not start on this database.
#[derive(Debug, thiserror::Error)]
enum NotFit {
    #[error("the database lacks migrations of this version: run `rowhouse-migrate up` first")]
    Behind,
    #[error(
        "no request could be served; `rowhouse-admin key list` shows the keys that the database \
         accepts, `rowhouse-migrate up` with this server's keys registers them"
    )]
    Sealed(#[source] tenant_db::Error),
    #[error("a guard of the isolation is not in place; `rowhouse-migrate verify` says more\n{0}")]
    Unguarded(tenant_db::verify::Report),
}

/// What no migration of a newer version has a reason to take away.
const GUARDS: [&str; 8] = [
    "rls_disabled",
    "rls_not_forced",
    "guard_missing",
    "guard_changed",
    "role_attributes",
    "role_membership",
    "role_setting",
    "parameter_grant",
];

/// Refuses a database that is behind, or accepts no seal of this server; in production also one whose
/// guards are not all in place.
pub(crate) async fn check(
    services: &Services,
    environment: Environment,
) -> Result<(), Box<dyn Error>> {
    let identity = &services.identity;
    if !identity.is_migrated().await? {
        return Err(NotFit::Behind.into());
    }
    services.tenants.health().await.map_err(NotFit::Sealed)?;
    let report = identity.verify().await?;
    if report.is_clean() {
        return Ok(());
    }
    // While a newer version is rolled out, this one meets objects that it cannot know. The guards
    // of those that it does know must stand all the same.
    let is_ahead = identity.is_ahead().await?;
    let is_open = !is_ahead || report.findings().iter().any(|it| GUARDS.contains(&it.code));
    if environment == Environment::Production && is_open {
        return Err(NotFit::Unguarded(report).into());
    }
    let findings = report.findings().len();
    log::warn!(
        findings, database_is_newer = is_ahead;
        "the database is not as this version declares it: run `rowhouse-migrate verify`"
    );
    Ok(())
}

fn database(
    settings: &Settings,
    home: PathBuf,
    credentials: &Credentials,
    keys: &[SealKey],
    passwords: &Passwords,
    embedded: Option<Cluster>,
) -> Result<Database, Box<dyn Error>> {
    let urls = match &embedded {
        Some(cluster) => RoleUrls {
            app: cluster
                .url_for("rowhouse_app", None, EMBEDDED_DATABASE)
                .into(),
            auth: cluster
                .url_for("rowhouse_auth", None, EMBEDDED_DATABASE)
                .into(),
        },
        None => settings.database.role_urls(passwords).ok_or(
            "database.app_url and database.auth_url belong together: one of them is missing",
        )?,
    };
    Ok(Database {
        urls,
        seal_key: keys.first().cloned().ok_or(NoSealKey)?,
        secret_keys: settings.auth.secret_keys(credentials.secret_key()),
        home,
        embedded,
    })
}

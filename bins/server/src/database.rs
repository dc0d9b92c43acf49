//! Where the rows are: a database that somebody runs, or one of our own.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use auth::{Password, PasswordThreads};
use embedded_postgres::{Cluster, Options, Programs, home_for};
use secrecy::SecretString;
use store::bootstrap::Passwords;
use store::{Credentials, OwnerDb, RoleUrls, demo};
use tenant_db::SealKey;

use crate::settings::Settings;

/// The database that an embedded cluster serves from.
const EMBEDDED_NAME: &str = "rowhouse";

/// What the server connects with.
pub(crate) struct Database {
    pub(crate) urls: RoleUrls,
    pub(crate) seal_key: SealKey,
    pub(crate) secret_key: SecretString,
    /// `None` when somebody else runs the database. Ours stops with this value.
    pub(crate) embedded: Option<Cluster>,
}

/// No seal key is configured and none could be made.
#[derive(Debug, thiserror::Error)]
#[error("seal.keys is empty")]
struct NoSealKey;

pub(crate) async fn open(
    settings: &Settings,
    passwords: &PasswordThreads,
) -> Result<Database, Box<dyn Error>> {
    let home = env::var_os("ROWHOUSE_HOME").map(PathBuf::from);
    if settings.database.is_external() {
        let credentials =
            Credentials::load_or_create(&home.unwrap_or_else(|| PathBuf::from(".rowhouse")))?;
        let keys = settings.seal.keys(&credentials)?;
        let role_passwords = settings.database.passwords(&credentials);
        return database(settings, &credentials, &keys, &role_passwords, None);
    }
    let home = home_for(home.as_deref())?;
    log::info!(home:% = home.display(); "no DATABASE_URL: PostgreSQL runs from the home folder");
    let mut cluster = Cluster::start(Options::new(&home, Programs::find()?))?;
    let credentials = Credentials::load_or_create(&home)?;
    let keys = settings.seal.keys(&credentials)?;
    let role_passwords = settings.database.passwords(&credentials);

    OwnerDb::connect(&cluster.url("postgres").into())?.create_database(EMBEDDED_NAME)?;
    let mut owner = OwnerDb::connect(&cluster.url(EMBEDDED_NAME).into())?;
    for migration in owner.up(&role_passwords, &keys)? {
        log::info!(migration:% = migration; "migrated");
    }
    let hash = passwords.hash(Password::parse_new(demo::PASSWORD)?).await?;
    let added = owner.seed_demo(&hash)?;
    if added > 0 {
        log::info!(tenants = added; "demo tenants were added");
    }
    cluster.watch(Duration::from_secs(2))?;
    database(
        settings,
        &credentials,
        &keys,
        &role_passwords,
        Some(cluster),
    )
}

fn database(
    settings: &Settings,
    credentials: &Credentials,
    keys: &[SealKey],
    passwords: &Passwords,
    embedded: Option<Cluster>,
) -> Result<Database, Box<dyn Error>> {
    let urls = match &embedded {
        Some(cluster) => RoleUrls {
            app: cluster.url_for("rowhouse_app", None, EMBEDDED_NAME).into(),
            auth: cluster.url_for("rowhouse_auth", None, EMBEDDED_NAME).into(),
            ops: cluster.url_for("rowhouse_ops", None, EMBEDDED_NAME).into(),
        },
        None => settings.database.role_urls(passwords).ok_or(
            "database.app_url and database.auth_url belong together: one of them is missing",
        )?,
    };
    Ok(Database {
        urls,
        seal_key: keys.first().cloned().ok_or(NoSealKey)?,
        secret_key: settings
            .auth
            .secret_key
            .clone()
            .unwrap_or_else(|| credentials.secret_key().clone()),
        embedded,
    })
}

//! Which database is meant, and the secrets that go with it.

use std::env;
use std::error::Error;
use std::path::PathBuf;

use embedded_postgres::{Cluster, Options, Programs, home_for};
use secrecy::SecretString;
use store::bootstrap::Passwords;
use store::{Credentials, EMBEDDED_DATABASE, OwnerDb};
use tenant_db::SealKey;

use crate::settings::Settings;

pub(crate) struct Database {
    pub(crate) url: SecretString,
    pub(crate) passwords: Passwords,
    pub(crate) seal_keys: Vec<SealKey>,
    /// Ours runs until this value is dropped.
    _embedded: Option<Cluster>,
}

impl Database {
    pub(crate) fn open(settings: &Settings) -> Result<Self, Box<dyn Error>> {
        let home = env::var_os("ROWHOUSE_HOME").map(PathBuf::from);
        let (url, home, embedded) = match &settings.database.url {
            Some(url) => (
                url.clone(),
                home.unwrap_or_else(|| PathBuf::from(".rowhouse")),
                None,
            ),
            None => {
                let home = home_for(home.as_deref())?;
                let cluster = Cluster::start(Options::new(&home, Programs::find()?))?;
                OwnerDb::connect(&cluster.url("postgres").into())?
                    .create_database(EMBEDDED_DATABASE)?;
                (cluster.url(EMBEDDED_DATABASE).into(), home, Some(cluster))
            }
        };
        let credentials = Credentials::load_or_create(&home)?;
        let passwords = settings.database.passwords(&credentials);
        Ok(Self {
            url,
            passwords: match &embedded {
                Some(_) => passwords.of_own_cluster(),
                None => passwords,
            },
            seal_keys: settings
                .database
                .seal_keys(settings.seal.keys(&credentials)?),
            _embedded: embedded,
        })
    }
}

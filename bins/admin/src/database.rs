//! Which database is meant. Its administrator works there as `rowhouse_ops`, which sees no row;
//! only the demo data are written by whoever owns it.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};

use embedded_postgres::{Cluster, Options, Programs, home_for};
use secrecy::SecretString;
use store::{Credentials, DatabaseSettings, EMBEDDED_DATABASE, OpsDb, OwnerDb};

/// Why there is nothing to administer.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error(
        "{0} holds no database: set DATABASE_URL, or start rowhouse-server once, which makes one"
    )]
    NothingHere(PathBuf),
    #[error("neither DATABASE_URL nor database.{0} is set")]
    NoUrl(&'static str),
    #[error("the database lacks migrations of this version: run `rowhouse-migrate up` first")]
    Behind,
}

pub(crate) struct Database {
    home: PathBuf,
    ops: Option<SecretString>,
    owner: Option<SecretString>,
    /// Ours runs until this value is dropped.
    _embedded: Option<Cluster>,
}

impl Database {
    pub(crate) fn open(settings: &DatabaseSettings) -> Result<Self, Box<dyn Error>> {
        let home = env::var_os("ROWHOUSE_HOME").map(PathBuf::from);
        if settings.url.is_some() || settings.ops_url.is_some() {
            let home = home.unwrap_or_else(|| PathBuf::from(".rowhouse"));
            return Ok(Self {
                home: home.clone(),
                ops: settings.url_for_ops(&Credentials::load_or_create(&home)?),
                owner: settings.url.clone(),
                _embedded: None,
            });
        }
        let home = home_for(home.as_deref())?;
        if !home.join("postgres").is_dir() {
            return Err(Unfit::NothingHere(home).into());
        }
        let cluster = Cluster::start(Options::new(&home, Programs::find()?))?;
        Ok(Self {
            home,
            ops: Some(
                cluster
                    .url_for("rowhouse_ops", None, EMBEDDED_DATABASE)
                    .into(),
            ),
            owner: Some(cluster.url(EMBEDDED_DATABASE).into()),
            _embedded: Some(cluster),
        })
    }

    /// Where keys are, that nobody set.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    pub(crate) fn ops(&self) -> Result<OpsDb, Box<dyn Error>> {
        let url = self.ops.as_ref().ok_or(Unfit::NoUrl("ops_url"))?;
        let mut ops = OpsDb::connect(url)?;
        if !ops.is_migrated()? {
            return Err(Unfit::Behind.into());
        }
        Ok(ops)
    }

    pub(crate) fn owner(&self) -> Result<OwnerDb, Box<dyn Error>> {
        let url = self.owner.as_ref().ok_or(Unfit::NoUrl("url"))?;
        let mut owner = OwnerDb::connect(url)?;
        if !owner.is_migrated()? {
            return Err(Unfit::Behind.into());
        }
        Ok(owner)
    }
}

//! A migrated database of one test's own.

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;

use diesel::connection::Connection as _;
use diesel::pg::PgConnection;
use embedded_postgres::testing::{Owner, TestDatabase};
use secrecy::SecretString;
use tenant_db::SealKey;

/// Bootstrapped, migrated, with one seal key. Dropped with this value.
#[derive(Debug)]
pub struct Database {
    database: TestDatabase,
}

/// The key that every test database knows.
#[must_use]
pub fn seal_key() -> SealKey {
    SealKey::new("test", b"a seal key of thirty-two bytes!!").unwrap()
}

impl Database {
    /// A fresh one that a superuser made; with `ROWHOUSE_TEST_LEVEL=managed` every test is given
    /// what [`Database::managed`] makes.
    ///
    /// # Panics
    /// When PostgreSQL cannot be started: it has to be installed.
    #[must_use]
    pub fn fresh() -> Self {
        let managed = env::var("ROWHOUSE_TEST_LEVEL").is_ok_and(|level| level == "managed");
        Self::made_by(if managed {
            Owner::Managed
        } else {
            Owner::Superuser
        })
    }

    /// A fresh one that a role with CREATEROLE made, on a cluster where no superuser did anything
    /// for it: level managed.
    ///
    /// # Panics
    /// When PostgreSQL cannot be started: it has to be installed.
    #[must_use]
    pub fn managed() -> Self {
        Self::made_by(Owner::Managed)
    }

    fn made_by(owner: Owner) -> Self {
        let fingerprint = fingerprint();
        let database = TestDatabase::create(
            owner,
            "rowhouse",
            &fingerprint,
            |url| {
                let mut conn = PgConnection::establish(url)?;
                store::bootstrap::up(&mut conn, None, &[seal_key()])?;
                Ok(())
            },
            |url| {
                // A template carries no rights on the database itself.
                let mut conn = PgConnection::establish(url)?;
                store::bootstrap::bootstrap(&mut conn, None)?;
                Ok(())
            },
        )
        .expect("a test database");
        Self { database }
    }

    /// A superuser's connection.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn superuser(&self) -> PgConnection {
        PgConnection::establish(&self.database.url()).unwrap()
    }

    /// The role that made it: at level managed no superuser.
    #[must_use]
    pub fn owner(&self) -> &'static str {
        self.database.owner().name()
    }

    /// A connection as this role, without any context.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn connect_as(&self, role: &str) -> PgConnection {
        PgConnection::establish(&self.database.url_for(role)).unwrap()
    }

    /// The URL of this role.
    #[must_use]
    pub fn url(&self, role: &str) -> SecretString {
        self.database.url_for(role).into()
    }
}

/// Of all that the template is made of.
fn fingerprint() -> String {
    let mut hasher = DefaultHasher::new();
    store::bootstrap::sql().hash(&mut hasher);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    let mut migrations: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("up.sql"))
        .collect();
    migrations.sort();
    for migration in migrations.iter().filter(|path| path.exists()) {
        fs::read(migration).unwrap().hash(&mut hasher);
    }
    format!("{:x}", hasher.finish())
}

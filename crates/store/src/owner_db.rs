//! The connection of whoever owns the cluster: what `rowhouse-migrate` does, and the first run of
//! the server on a database of its own. The running server never holds one.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use domain::TenantId;
use secrecy::{ExposeSecret as _, SecretString};
use tenant_db::{KnownSealKey, Level, SealKey, audit, verify};

use crate::access::{self, Access, Asked};
use crate::bootstrap::{self, Done, Logins, Passwords};
use crate::error::Error;
use crate::migrations::{Loss, Reverted};
use crate::{catalog, demo, migrations};

/// The connection of a superuser; or, on a managed service, of the database's owner.
pub struct OwnerDb {
    conn: PgConnection,
    url: SecretString,
}

impl std::fmt::Debug for OwnerDb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnerDb").finish_non_exhaustive()
    }
}

impl OwnerDb {
    /// Connects with the URL as it is.
    ///
    /// # Errors
    /// [`tenant_db::Error::Unavailable`].
    pub fn connect(url: &SecretString) -> Result<Self, Error> {
        Ok(Self {
            conn: establish(url)?,
            url: url.clone(),
        })
    }

    /// Makes a database unless it exists.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn create_database(&mut self, name: &str) -> Result<(), Error> {
        let exists: bool = diesel::select(
            diesel::dsl::sql::<Bool>("EXISTS (SELECT FROM pg_database WHERE datname = ")
                .bind::<Text, _>(name)
                .sql(")"),
        )
        .get_result(&mut self.conn)?;
        if !exists {
            diesel::sql_query(format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\"")))
                .execute(&mut self.conn)?;
        }
        Ok(())
    }

    /// At which level this database is, or would be when this role bootstraps it.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn level(&mut self) -> Result<Level, Error> {
        Ok(match Level::of_database(&mut self.conn)? {
            Some(level) => level,
            None => Level::of_role(&mut self.conn)?,
        })
    }

    /// Writes all sealed events of a tenant with what proves them. Works as `rowhouse_tenancy`,
    /// which alone reads the salts.
    ///
    /// # Errors
    /// [`Error::Database`]; `Ok(Err)`: what the file answers.
    pub fn export_audit(
        &mut self,
        tenant: TenantId,
        to: &mut dyn std::io::Write,
    ) -> Result<std::io::Result<i64>, Error> {
        self.conn
            .build_transaction()
            .read_only()
            .repeatable_read()
            .run(|conn| {
                diesel::sql_query("SET LOCAL ROLE rowhouse_tenancy").execute(conn)?;
                let checkpoints = audit::kept(conn)?;
                Ok(audit::write_export(conn, tenant.uuid(), &checkpoints, to)?)
            })
    }

    /// Roles, schemas and rights, without a migration. Answers the roles that had another password.
    ///
    /// # Errors
    /// [`Error::PasswordKept`], [`Error::Database`].
    pub fn bootstrap(&mut self, passwords: &Passwords) -> Result<Vec<&'static str>, Error> {
        let url = &self.url;
        bootstrap::bootstrap(&mut self.conn, Some(Logins { passwords, url }))
    }

    /// Whether the database has every migration that this binary knows; only reads.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn is_migrated(&mut self) -> Result<bool, Error> {
        migrations::is_applied(&mut self.conn)
    }

    /// Bootstrap, migrations, seal keys.
    ///
    /// # Errors
    /// [`Error::PasswordKept`], [`Error::Database`].
    pub fn up(&mut self, passwords: &Passwords, keys: &[SealKey]) -> Result<Done, Error> {
        let url = &self.url;
        bootstrap::up(&mut self.conn, Some(Logins { passwords, url }), keys)
    }

    /// Reverts the newest migration, whatever is lost by it; returns its version.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn down(&mut self) -> Result<Option<String>, Error> {
        let reverted = self.down_if(|_, _| true)?;
        Ok(reverted.map(|reverted| reverted.version))
    }

    /// Reverts the newest migration, if `agreed` says so of its version and of what is lost by it.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn down_if(
        &mut self,
        agreed: impl FnOnce(&str, &[Loss]) -> bool,
    ) -> Result<Option<Reverted>, Error> {
        migrations::down(&mut self.conn, agreed)
    }

    /// The seal keys that the database knows, the oldest first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn seal_keys(&mut self) -> Result<Vec<KnownSealKey>, Error> {
        Ok(tenant_db::seal_keys(&mut self.conn)?)
    }

    /// Makes a seal key known.
    ///
    /// # Errors
    /// [`tenant_db::Error::SealKeyTaken`], [`Error::Database`].
    pub fn add_seal_key(&mut self, key: &SealKey) -> Result<(), Error> {
        Ok(tenant_db::register_seal_key(&mut self.conn, key)?)
    }

    /// Ends a seal key in so many seconds; `None`: there is none of this name.
    ///
    /// # Errors
    /// [`tenant_db::Error::LastSealKey`], [`Error::Database`].
    pub fn retire_seal_key(
        &mut self,
        kid: &str,
        seconds: u32,
    ) -> Result<Option<KnownSealKey>, Error> {
        Ok(tenant_db::retire_seal_key(&mut self.conn, kid, seconds)?)
    }

    /// Every migration and whether it ran.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn status(&mut self) -> Result<Vec<migrations::Status>, Error> {
        migrations::status(&mut self.conn)
    }

    /// Whether every guard is in place.
    ///
    /// # Errors
    /// [`Error::Database`]; a missing guard is a finding of the report.
    pub fn verify(&mut self) -> Result<verify::Report, Error> {
        Ok(verify::verify(&mut self.conn, &catalog::catalog())?)
    }

    /// The same, and whether the private copies have the rows that they must have.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn verify_with_rows(&mut self) -> Result<verify::Report, Error> {
        Ok(verify::verify_with_rows(
            &mut self.conn,
            &catalog::catalog(),
        )?)
    }

    /// Why somebody sees a row, or does not.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn explain_access(&mut self, asked: &Asked) -> Result<Access, Error> {
        access::explain(&mut self.conn, asked)
    }

    /// All policies, as `docs/policies.txt` has them.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn policies(&mut self) -> Result<String, Error> {
        Ok(verify::policies(&mut self.conn)?)
    }

    /// Whether a demo tenant is missing.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn lacks_demo(&mut self) -> Result<bool, Error> {
        demo::is_missing(&mut self.conn)
    }

    /// Adds the demo tenants that are missing.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn seed_demo(&mut self, hash: &auth::PasswordHash) -> Result<usize, Error> {
        demo::seed(&mut self.conn, hash)
    }
}

pub(crate) fn establish(url: &SecretString) -> Result<PgConnection, Error> {
    Ok(PgConnection::establish(url.expose_secret())
        .map_err(|e| tenant_db::Error::Unavailable(Box::new(e)))?)
}

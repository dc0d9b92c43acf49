//! The connection of whoever owns the cluster: what `rowhouse-migrate` does, and the first run of
//! the server on a database of its own. The running server never holds one.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use domain::TenantId;
use secrecy::{ExposeSecret as _, SecretString};
use tenant_db::{Level, SealKey, audit, verify};

use crate::access::{self, Access, Asked};
use crate::bootstrap::{self, Passwords};
use crate::error::Error;
use crate::{catalog, demo, migrations};

/// The connection of a superuser; or, on a managed service, of the database's owner.
pub struct OwnerDb {
    conn: PgConnection,
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

    /// Roles, schemas and rights, without a migration.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn bootstrap(&mut self, passwords: &Passwords) -> Result<(), Error> {
        bootstrap::bootstrap(&mut self.conn, Some(passwords))
    }

    /// Bootstrap, migrations, seal keys; returns the migrations that ran.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn up(&mut self, passwords: &Passwords, keys: &[SealKey]) -> Result<Vec<String>, Error> {
        bootstrap::up(&mut self.conn, Some(passwords), keys)
    }

    /// Reverts the newest migration; returns its version.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn down(&mut self) -> Result<Option<String>, Error> {
        migrations::down(&mut self.conn)
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

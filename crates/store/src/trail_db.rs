//! The connection on which refusals and reads are written down: one of its own, so that a storm of
//! them waits behind itself, and takes no connection from sign-ins and requests. Fixed statements,
//! every value bound.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::Jsonb;
use secrecy::SecretString;
use serde::Serialize;
use tenant_db::{PoolSettings, ServiceDb};
use uuid::Uuid;

use crate::denials::NewDenial;
use crate::error::Error;
use crate::reads::NewRead;

/// Writes down what was refused and what was read. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TrailDb {
    db: ServiceDb,
}

/// An entry's id and time, which say the same to the millisecond.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Moment {
    id: Uuid,
    at: DateTime<Utc>,
}

impl Moment {
    /// A new id, of this time.
    #[must_use]
    pub fn new(now: DateTime<Utc>) -> Self {
        let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
        let milliseconds = now.timestamp_subsec_millis();
        let time = uuid::Timestamp::from_unix(uuid::NoContext, seconds, milliseconds * 1_000_000);
        let at = DateTime::from_timestamp_millis(now.timestamp_millis()).unwrap_or(now);
        Self {
            id: Uuid::new_v7(time),
            at,
        }
    }

    /// When.
    #[must_use]
    pub fn at(&self) -> DateTime<Utc> {
        self.at
    }
}

/// Who asked, as a trail says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "actor_kind", content = "actor_id", rename_all = "lowercase")]
pub enum Who {
    /// A person: the account.
    User(Uuid),
    /// A program: its key.
    Key(Uuid),
    /// Somebody unknown.
    Stranger,
}

impl TrailDb {
    /// Connects as the role of `url`; of the pool's settings the number of connections is not heeded.
    ///
    /// # Errors
    /// [`tenant_db::Error::Unavailable`] when the first connection fails.
    pub fn connect(url: &SecretString, settings: &PoolSettings) -> Result<Self, tenant_db::Error> {
        let settings = PoolSettings {
            connections: 1,
            ..settings.clone()
        };
        Ok(Self {
            db: ServiceDb::connect(url.clone(), &settings)?,
        })
    }

    /// Writes refusals down; those that are there already count once.
    ///
    /// # Errors
    /// [`Error::Database`]; then they can be written again.
    pub async fn deny(&self, denials: &[NewDenial]) -> Result<(), Error> {
        let entries = serde_json::to_value(denials).map_err(Error::unreadable)?;
        let write = move |conn: &mut PgConnection| {
            diesel::sql_query("SELECT directory.deny($1)")
                .bind::<Jsonb, _>(&entries)
                .execute(conn)
        };
        self.db.ask(write).await?;
        Ok(())
    }

    /// As [`deny`](Self::deny), of reads.
    ///
    /// # Errors
    /// As said there.
    pub async fn note_reads(&self, reads: &[NewRead]) -> Result<(), Error> {
        let entries = serde_json::to_value(reads).map_err(Error::unreadable)?;
        let write = move |conn: &mut PgConnection| {
            diesel::sql_query("SELECT directory.note_reads($1)")
                .bind::<Jsonb, _>(&entries)
                .execute(conn)
        };
        self.db.ask(write).await?;
        Ok(())
    }
}

//! What the servers do for the audit trail: they seal events, sign the ends of the chains, and
//! examine whole chains now and then.

use std::time::Duration;

use auth::CheckpointKey;
use chrono::{DateTime, SecondsFormat, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Nullable, Uuid as SqlUuid};
use domain::TenantId;
use tenant_db::audit::{self, Checkpoint, Waiting};
use uuid::Uuid;

use super::IdentityDb;
use crate::error::Error;
use crate::identity::Next;
use crate::schedule::{self, Turn};

/// What came of the hour's signing.
#[derive(Debug)]
pub enum Signing {
    /// It is not due here, or done.
    Fine(Next),
    /// Nothing was signed: these chains do not hold, where they have grown.
    Broken(Vec<BrokenChain>),
}

/// A chain that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct BrokenChain {
    /// Whose.
    #[diesel(sql_type = SqlUuid, column_name = tenant_id)]
    pub tenant: Uuid,
    /// The first place that does not.
    #[diesel(sql_type = BigInt)]
    pub seq: i64,
}

/// What was examined of one chain, from its beginning on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct ChainCheck {
    /// Whose.
    #[diesel(sql_type = SqlUuid, column_name = tenant_id)]
    pub tenant: Uuid,
    /// How many links.
    #[diesel(sql_type = BigInt)]
    pub links: i64,
    /// The first place that does not hold; then this chain is begun anew the next time.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub flaw: Option<i64>,
}

/// The name of the chore in the database.
const CHORE: &str = "audit_checkpoint";

impl IdentityDb {
    /// At most so many tenants with events that are not sealed yet, and for how long the oldest of
    /// each has waited; the longest wait first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn tenants_to_seal(&self, most: i32) -> Result<Vec<Waiting>, Error> {
        let waiting = self
            .db
            .ask(move |conn| audit::tenants_to_seal(conn, most))
            .await?;
        Ok(waiting)
    }

    /// Appends at most so many events of a tenant to its chain. Answers how many there were.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn seal_events(&self, tenant: TenantId, most: i32) -> Result<i32, Error> {
        let tenant = tenant.uuid();
        Ok(self
            .db
            .ask(move |conn| audit::seal_events(conn, tenant, most))
            .await?)
    }

    /// Examines at most so many links of one chain: of one that another call has begun, else of the
    /// one that was examined longest ago, if that is longer than so many hours. `None`: none is due.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn check_chain(&self, hours: u16, most: i32) -> Result<Option<ChainCheck>, Error> {
        let check = move |conn: &mut PgConnection| {
            diesel::sql_query("SELECT tenant_id, links, flaw FROM tenancy.check_chain($1, $2)")
                .bind::<Integer, _>(i32::from(hours))
                .bind::<Integer, _>(most)
                .get_result(conn)
                .optional()
        };
        Ok(self.db.ask(check).await?)
    }

    /// Signs the ends of all chains that have grown, if it is due and no other server does it, and
    /// if each holds where it has grown.
    ///
    /// # Errors
    /// [`Error::Database`]; then it is still due.
    pub async fn sign_chains(
        &self,
        key: CheckpointKey,
        period: Duration,
        now: DateTime<Utc>,
    ) -> Result<Signing, Error> {
        let seconds = i64::try_from(period.as_secs()).unwrap_or(i64::MAX);
        self.db
            .run(
                move |conn| match schedule::take_turn(conn, CHORE, seconds)? {
                    Turn::Elsewhere => Ok(Signing::Fine(Next::Elsewhere)),
                    Turn::In(seconds) => Ok(Signing::Fine(Next::In(
                        Duration::try_from_secs_f64(seconds).unwrap_or_default(),
                    ))),
                    Turn::Now => {
                        let broken: Vec<BrokenChain> =
                            diesel::sql_query("SELECT tenant_id, seq FROM tenancy.broken_chains()")
                                .load(conn)?;
                        if !broken.is_empty() {
                            schedule::note_run(conn, CHORE, true)?;
                            return Ok(Signing::Broken(broken));
                        }
                        // Somebody else was faster: that is as good.
                        let _ = sign(conn, &key, now)?;
                        schedule::note_run(conn, CHORE, true)?;
                        Ok(Signing::Fine(Next::Ran { is_finished: true }))
                    }
                },
            )
            .await
    }
}

/// Signs and keeps the next checkpoint; `None` when no chain has grown, or somebody else was faster.
pub(crate) fn sign(
    conn: &mut PgConnection,
    key: &CheckpointKey,
    now: DateTime<Utc>,
) -> Result<Option<Checkpoint>, Error> {
    let at = now.to_rfc3339_opts(SecondsFormat::Secs, true);
    let Some(mut checkpoint) = audit::draft(conn, &at)? else {
        return Ok(None);
    };
    checkpoint.public_key = key.public_key();
    checkpoint.signature = key.sign(checkpoint.statement.as_bytes());
    let is_kept = audit::keep(conn, &checkpoint)?;
    Ok(is_kept.then_some(checkpoint))
}

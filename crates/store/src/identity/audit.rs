//! What the servers do for the audit trail: they seal events, sign the ends of the chains, and
//! examine whole chains now and then.

use std::time::Duration;

use auth::CheckpointKey;
use chrono::{DateTime, SecondsFormat, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Nullable, Text, Uuid as SqlUuid};
use domain::TenantId;
use tenant_db::audit::{self, Checkpoint, Head, Waiting};
use uuid::Uuid;

use super::IdentityDb;
use crate::error::Error;
use crate::identity::Next;
use crate::schedule::{self, Turn};

/// What came of the hour's signing.
#[derive(Debug)]
pub struct Signing {
    /// When to ask again.
    pub next: Next,
    /// These chains do not hold where they have grown: nothing more of them is signed.
    pub broken: Vec<BrokenChain>,
    /// These could not be looked at, and were signed as far as they had been.
    pub unread: Vec<(Uuid, Error)>,
}

/// How much of the chains is looked at, before what holds is signed.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How many links make a piece at most; each piece is a transaction.
    pub links: i32,
    /// A piece ends once the values behind its links make so many bytes.
    pub bytes: i64,
    /// How many pieces of one chain come before a signature.
    pub pieces: u32,
}

impl Default for Pace {
    /// Some 50 ms a piece, and half a minute a chain.
    fn default() -> Self {
        Self {
            links: 1000,
            bytes: 4 * 1024 * 1024,
            pieces: 500,
        }
    }
}

/// A chain that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenChain {
    /// Whose.
    pub tenant: Uuid,
    /// The first place that does not.
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

    /// Signs the chains that have grown, if it is due and no other server does it, each as far as it
    /// was looked at and holds. What is left of long ones is due again at once.
    ///
    /// # Errors
    /// [`Error::Database`]; then it is still due.
    pub async fn sign_chains(
        &self,
        key: CheckpointKey,
        period: Duration,
        pace: Pace,
        now: DateTime<Utc>,
    ) -> Result<Signing, Error> {
        let seconds = i64::try_from(period.as_secs()).unwrap_or(i64::MAX);
        let mut signing = Signing {
            next: Next::Elsewhere,
            broken: Vec::new(),
            unread: Vec::new(),
        };
        let work = move |conn: &mut PgConnection| match schedule::take_turn(conn, CHORE, seconds)? {
            Turn::Now => Ok::<_, Error>(Ok(to_check(conn)?)),
            turn => Ok(Err(turn)),
        };
        let grown = match self.db.run(work).await? {
            Ok(grown) => grown,
            Err(turn) => {
                signing.next = later(turn);
                return Ok(signing);
            }
        };
        let mut is_finished = true;
        for chain in grown {
            let tenant = chain.tenant;
            match self.check(chain, pace).await {
                Ok(Checked::Holds) => {}
                Ok(Checked::InPart) => is_finished = false,
                Ok(Checked::Broken(seq)) => signing.broken.push(BrokenChain { tenant, seq }),
                Err(
                    error @ Error::Database(
                        tenant_db::Error::Busy | tenant_db::Error::Unavailable(_),
                    ),
                ) => return Err(error),
                // One that cannot be read keeps no other one from being signed.
                Err(error) => signing.unread.push((tenant, error)),
            }
        }
        let sign_all =
            move |conn: &mut PgConnection| match schedule::take_turn(conn, CHORE, seconds)? {
                Turn::Now => {
                    let heads = to_sign(conn)?;
                    // Somebody else was faster: that is as good.
                    let _ = sign(conn, &key, heads, now)?;
                    schedule::note_run(conn, CHORE, is_finished)?;
                    Ok::<_, Error>(Next::Ran { is_finished })
                }
                turn => Ok(later(turn)),
            };
        signing.next = self.db.run(sign_all).await?;
        Ok(signing)
    }

    /// Looks at a chain piece by piece, each in a transaction of its own: none of them grows with
    /// the chain, and what was looked at is kept whatever comes of the next one.
    async fn check(&self, chain: Grown, pace: Pace) -> Result<Checked, Error> {
        for _ in 0..pace.pieces {
            let piece = self.db.ask(move |conn| check_piece(conn, chain, pace));
            let piece = piece.await?;
            if let Some(seq) = piece.flawed_seq {
                return Ok(Checked::Broken(seq));
            }
            if piece.seq >= chain.upto {
                return Ok(Checked::Holds);
            }
        }
        Ok(Checked::InPart)
    }
}

/// What was found of a chain.
enum Checked {
    Holds,
    /// As far as it was looked at.
    InPart,
    Broken(i64),
}

#[derive(Clone, Copy, QueryableByName)]
struct Grown {
    #[diesel(sql_type = SqlUuid, column_name = tenant_id)]
    tenant: Uuid,
    #[diesel(sql_type = BigInt)]
    upto: i64,
}

#[derive(QueryableByName)]
struct Piece {
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    flawed_seq: Option<i64>,
}

fn later(turn: Turn) -> Next {
    match turn {
        Turn::In(seconds) => Next::In(Duration::try_from_secs_f64(seconds).unwrap_or_default()),
        Turn::Elsewhere | Turn::Now => Next::Elsewhere,
    }
}

fn to_check(conn: &mut PgConnection) -> Result<Vec<Grown>, Error> {
    let chains = diesel::sql_query("SELECT tenant_id, upto FROM tenancy.chains_to_check()");
    Ok(chains.load(conn)?)
}

fn check_piece(conn: &mut PgConnection, chain: Grown, pace: Pace) -> QueryResult<Piece> {
    diesel::sql_query("SELECT seq, flawed_seq FROM tenancy.check_piece($1, $2, $3, $4)")
        .bind::<SqlUuid, _>(chain.tenant)
        .bind::<BigInt, _>(chain.upto)
        .bind::<Integer, _>(pace.links)
        .bind::<BigInt, _>(pace.bytes)
        .get_result(conn)
}

fn to_sign(conn: &mut PgConnection) -> Result<Vec<Head>, Error> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        tenant_id: Uuid,
        #[diesel(sql_type = BigInt)]
        seq: i64,
        #[diesel(sql_type = Text)]
        hash: String,
    }
    let heads = diesel::sql_query(
        "SELECT tenant_id, seq, encode(hash, 'hex') AS hash FROM tenancy.chains_to_sign()",
    );
    let rows: Vec<Row> = heads.load(conn)?;
    let head = |row: Row| Head {
        tenant: row.tenant_id,
        seq: row.seq,
        hash: row.hash,
    };
    Ok(rows.into_iter().map(head).collect())
}

/// Signs and keeps the next checkpoint; `None` when it would name nothing, or somebody else was faster.
pub(crate) fn sign(
    conn: &mut PgConnection,
    key: &CheckpointKey,
    heads: Vec<Head>,
    now: DateTime<Utc>,
) -> Result<Option<Checkpoint>, Error> {
    if heads.is_empty() {
        return Ok(None);
    }
    let at = now.to_rfc3339_opts(SecondsFormat::Secs, true);
    let mut checkpoint = audit::draft(conn, &at, heads)?;
    checkpoint.public_key = key.public_key();
    checkpoint.signature = key.sign(checkpoint.statement.as_bytes());
    let is_kept = audit::keep(conn, &checkpoint)?;
    Ok(is_kept.then_some(checkpoint))
}

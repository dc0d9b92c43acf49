//! Whether a tenant's chain is still what was sealed, asked of the database that holds it.

use std::fmt;

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Integer, Text, Uuid as SqlUuid};
use uuid::Uuid;

use super::chain::Link;
use super::checkpoint::{Checkpoint, Head};
use super::hex;
use crate::error::Error;

/// How many events are read at once.
const PAGE: i32 = 1000;

/// The end of a tenant's chain.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Chain {
    /// Whose.
    #[diesel(sql_type = SqlUuid)]
    pub tenant: Uuid,
    /// How many events it has.
    #[diesel(sql_type = BigInt)]
    pub seq: i64,
    /// The hash of the last one.
    #[diesel(sql_type = Binary)]
    pub hash: Vec<u8>,
    /// How many events it had when a checkpoint named it last.
    #[diesel(sql_type = BigInt)]
    pub signed_seq: i64,
    /// Whether all of the tenant was erased.
    #[diesel(sql_type = Bool)]
    pub is_erased: bool,
}

/// All chains, by tenant.
///
/// # Errors
/// What the database answers.
pub fn chains(conn: &mut PgConnection) -> Result<Vec<Chain>, Error> {
    Ok(diesel::sql_query(
        "SELECT tenant_id AS tenant, seq, hash, signed_seq, erased_at IS NOT NULL AS is_erased
         FROM tenancy.audit_chains()",
    )
    .load(conn)?)
}

/// What a checkpoint says of a tenant's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The checkpoint's number.
    pub checkpoint: i64,
    /// The end that the chain had.
    pub head: Head,
}

impl Named {
    /// All that these checkpoints say of a tenant's chain, by its length.
    #[must_use]
    pub fn of(checkpoints: &[Checkpoint], tenant: Uuid) -> Vec<Self> {
        let mut named: Vec<Self> = checkpoints
            .iter()
            .flat_map(|checkpoint| {
                let heads = checkpoint.heads.iter().filter(|head| head.tenant == tenant);
                heads.map(|head| Self {
                    checkpoint: checkpoint.number,
                    head: head.clone(),
                })
            })
            .collect();
        named.sort_by_key(|named| named.head.seq);
        named
    }
}

/// What was found of a tenant's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// Whose.
    pub tenant: Uuid,
    /// How many events are sealed, up to the first flaw.
    pub sealed: i64,
    /// How many of them have had a value erased.
    pub erased: i64,
    /// How many events wait for the sealer.
    pub unsealed: i64,
    /// The first thing that is not as it was.
    pub flaw: Option<Flaw>,
}

/// The first event that is not as it was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// An event says something else than it did; `None`: it is not sealed yet.
    Changed {
        /// Its place.
        seq: Option<i64>,
        /// Its id.
        event: Uuid,
    },
    /// An event is gone; `None`: it was not sealed yet.
    Missing {
        /// Its place.
        seq: Option<i64>,
        /// Its id.
        event: Uuid,
    },
    /// A link of the chain is gone, and which event it was for nobody knows.
    Gap {
        /// Its place.
        seq: i64,
    },
    /// What stands here is not what was sealed here: links changed places, or one was replaced.
    Reordered {
        /// Its place.
        seq: i64,
        /// The id of what stands there now.
        event: Uuid,
    },
    /// The chain ends before it did.
    Truncated {
        /// The place of the first that is gone.
        seq: i64,
        /// The checkpoint that names more; `None`: the chain's own end does.
        checkpoint: Option<i64>,
    },
    /// The chain is another one than the one that was signed.
    Rewritten {
        /// Up to where it was signed.
        seq: i64,
        /// The checkpoint.
        checkpoint: i64,
    },
    /// The recorded end of the chain is not its end.
    End {
        /// The place of the last event.
        seq: i64,
    },
    /// Nothing proves an event: it was put in, or its proof was taken away.
    Stray {
        /// Its id.
        event: Uuid,
    },
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed {
                seq: Some(seq),
                event,
            } => write!(f, "event {seq} ({event}) was changed"),
            Self::Changed { seq: None, event } => {
                write!(f, "event {event}, which is not sealed yet, was changed")
            }
            Self::Missing {
                seq: Some(seq),
                event,
            } => write!(f, "event {seq} ({event}) is missing"),
            Self::Missing { seq: None, event } => {
                write!(f, "event {event}, which is not sealed yet, is missing")
            }
            Self::Gap { seq } => write!(f, "event {seq} is missing, and its link in the chain"),
            Self::Reordered { seq, event } => write!(
                f,
                "event {seq} ({event}) is not the one that was sealed there: reordered or replaced"
            ),
            Self::Truncated {
                seq,
                checkpoint: Some(number),
            } => write!(
                f,
                "the chain was truncated: event {seq} and what follows is missing, which checkpoint {number} has"
            ),
            Self::Truncated {
                seq,
                checkpoint: None,
            } => write!(
                f,
                "the chain was truncated: event {seq} and what follows is missing"
            ),
            Self::Rewritten { seq, checkpoint } => write!(
                f,
                "the chain up to event {seq} is not the one that checkpoint {checkpoint} signed"
            ),
            Self::End { seq } => write!(f, "the recorded end of the chain is not event {seq}"),
            Self::Stray { event } => write!(f, "nothing proves event {event}"),
        }
    }
}

/// Follows a chain and compares it with what checkpoints say of it.
pub(super) struct Walk<'a> {
    tenant: Uuid,
    link: Link,
    named: &'a [Named],
}

impl<'a> Walk<'a> {
    pub(super) fn new(tenant: Uuid, named: &'a [Named]) -> Self {
        Self {
            tenant,
            link: Link::first(tenant),
            named,
        }
    }

    pub(super) fn tenant(&self) -> Uuid {
        self.tenant
    }

    pub(super) fn seq(&self) -> i64 {
        self.link.seq
    }

    pub(super) fn hash(&self) -> [u8; 32] {
        self.link.hash
    }

    /// One step, to the link that stands next.
    pub(super) fn step(
        &mut self,
        seq: i64,
        event: Uuid,
        commitment: &[u8],
        hash: &[u8],
    ) -> Result<(), Flaw> {
        let next = self.link.then(event, commitment);
        if seq != next.seq {
            return Err(Flaw::Gap { seq: next.seq });
        }
        if next.hash.as_slice() != hash {
            return Err(Flaw::Reordered { seq, event });
        }
        self.link = next;
        let differs = |named: &&Named| named.head.seq == seq && named.head.hash != hex(hash);
        match self.named.iter().find(differs) {
            Some(named) => Err(Flaw::Rewritten {
                seq,
                checkpoint: named.checkpoint,
            }),
            None => Ok(()),
        }
    }

    /// Whether a checkpoint names more than there is.
    pub(super) fn end(&self) -> Result<(), Flaw> {
        match self
            .named
            .iter()
            .find(|named| named.head.seq > self.link.seq)
        {
            Some(named) => Err(Flaw::Truncated {
                seq: self.link.seq.saturating_add(1),
                checkpoint: Some(named.checkpoint),
            }),
            None => Ok(()),
        }
    }
}

#[derive(QueryableByName)]
struct SealRow {
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = SqlUuid)]
    event_id: Uuid,
    #[diesel(sql_type = Binary)]
    commitment: Vec<u8>,
    #[diesel(sql_type = Binary)]
    hash: Vec<u8>,
    #[diesel(sql_type = Text)]
    state: String,
}

#[derive(QueryableByName)]
struct UnsealedRow {
    #[diesel(sql_type = SqlUuid)]
    event_id: Uuid,
    #[diesel(sql_type = Text)]
    state: String,
}

/// Follows the chain of a tenant from its beginning. Inside of one REPEATABLE READ transaction with
/// [`chains`], or what is sealed meanwhile looks like a flaw.
///
/// Commitments are made anew by the database: who does not trust it examines an export.
///
/// # Errors
/// What the database answers. A flaw is no error.
pub fn examine(
    conn: &mut PgConnection,
    tenant: Uuid,
    end: Option<&Chain>,
    named: &[Named],
) -> Result<Examination, Error> {
    let mut found = Examination {
        tenant,
        sealed: 0,
        erased: 0,
        unsealed: 0,
        flaw: None,
    };
    let mut walk = Walk::new(tenant, named);
    found.flaw = follow(conn, &mut walk, &mut found)?;
    found.sealed = walk.seq();
    if found.flaw.is_none() {
        found.flaw = ends_as_recorded(&walk, end).or_else(|| walk.end().err());
    }
    let unsealed: Vec<UnsealedRow> =
        diesel::sql_query("SELECT event_id, state FROM tenancy.audit_unsealed($1)")
            .bind::<SqlUuid, _>(tenant)
            .load(conn)?;
    for UnsealedRow { event_id, state } in unsealed {
        let event = event_id;
        let flaw = match state.as_str() {
            "changed" => Some(Flaw::Changed { seq: None, event }),
            "missing" => Some(Flaw::Missing { seq: None, event }),
            "stray" => Some(Flaw::Stray { event }),
            _ => None,
        };
        if state != "stray" {
            found.unsealed = found.unsealed.saturating_add(1);
        }
        found.flaw = found.flaw.or(flaw);
    }
    Ok(found)
}

fn follow(
    conn: &mut PgConnection,
    walk: &mut Walk<'_>,
    found: &mut Examination,
) -> Result<Option<Flaw>, Error> {
    loop {
        let page: Vec<SealRow> = diesel::sql_query("SELECT * FROM tenancy.audit_chain($1, $2, $3)")
            .bind::<SqlUuid, _>(found.tenant)
            .bind::<BigInt, _>(walk.seq())
            .bind::<Integer, _>(PAGE)
            .load(conn)?;
        if page.is_empty() {
            return Ok(None);
        }
        for row in page {
            if let Err(flaw) = walk.step(row.seq, row.event_id, &row.commitment, &row.hash) {
                return Ok(Some(flaw));
            }
            let (seq, event) = (Some(row.seq), row.event_id);
            match row.state.as_str() {
                "whole" => {}
                "erased" => found.erased = found.erased.saturating_add(1),
                "missing" => return Ok(Some(Flaw::Missing { seq, event })),
                _ => return Ok(Some(Flaw::Changed { seq, event })),
            }
        }
    }
}

fn ends_as_recorded(walk: &Walk<'_>, end: Option<&Chain>) -> Option<Flaw> {
    let seq = walk.seq();
    let (recorded, same) = match end {
        Some(end) => (end.seq, end.hash == walk.hash()),
        // Without a record there is nothing but the beginning.
        None => (0, true),
    };
    if recorded > seq {
        Some(Flaw::Truncated {
            seq: seq.saturating_add(1),
            checkpoint: None,
        })
    } else if recorded < seq || !same {
        Some(Flaw::End { seq })
    } else {
        None
    }
}

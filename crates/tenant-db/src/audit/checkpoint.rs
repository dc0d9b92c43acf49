//! Checkpoints: what an operator has signed of the ends of all chains, so that a chain that was cut
//! short is seen. Who signs, and how, is the caller's business.

use std::fmt::Write as _;

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Jsonb, Text};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::examine::chains;
use super::{hex, sha256};
use crate::error::Error;

/// The end of a tenant's chain at some moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Whose chain.
    pub tenant: Uuid,
    /// How many events it had.
    pub seq: i64,
    /// The hash of the last one, in hex.
    pub hash: String,
}

impl Head {
    /// What a checkpoint says of it: whoever knows the head finds it there, and nobody else learns
    /// anything.
    #[must_use]
    pub fn digest(&self) -> String {
        hex(&sha256(&[
            b"rowhouse audit head 1",
            self.tenant.as_bytes(),
            &self.seq.to_be_bytes(),
            self.hash.as_bytes(),
        ]))
    }
}

/// A statement about the chains that had grown since the one before, and its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// 1, 2, 3 …
    pub number: i64,
    /// The signed text: `rowhouse audit checkpoint 1`, `number`, `at`, `previous` with the SHA-256 of
    /// the statement before, and a `head` a line.
    pub statement: String,
    /// What the lines `head` are digests of.
    pub heads: Vec<Head>,
    /// The Ed25519 key.
    pub public_key: Vec<u8>,
    /// Over the bytes of the statement.
    pub signature: Vec<u8>,
}

/// What is wrong among checkpoints, without a look at signatures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointFlaw {
    /// One is not there.
    #[error("checkpoint {number} is missing")]
    Missing {
        /// Which.
        number: i64,
    },
    /// One does not say what it should.
    #[error("checkpoint {number} was changed")]
    Changed {
        /// Which.
        number: i64,
    },
}

impl Checkpoint {
    fn is_coherent(&self, previous: Option<&Self>) -> bool {
        let mut lines = self.statement.lines();
        let number = format!("number {}", self.number);
        let head_lines: Vec<String> = self.heads.iter().map(head_line).collect();
        lines.next() == Some(TITLE)
            && lines.next() == Some(&number)
            && lines.next().is_some_and(|line| line.starts_with("at "))
            && lines.next() == Some(&previous_line(previous.map(|last| last.statement.as_str())))
            && lines.eq(head_lines.iter().map(String::as_str))
    }
}

const TITLE: &str = "rowhouse audit checkpoint 1";

pub(super) fn head_line(head: &Head) -> String {
    format!("head {}", head.digest())
}

fn previous_line(previous: Option<&str>) -> String {
    let hash = previous.map_or([0; 32], |statement| sha256(&[statement.as_bytes()]));
    format!("previous {}", hex(&hash))
}

/// Whether each follows from the one before, and says of its heads what it should.
///
/// # Errors
/// The first that does not.
pub fn is_unbroken(checkpoints: &[Checkpoint]) -> Result<(), CheckpointFlaw> {
    let mut previous: Option<&Checkpoint> = None;
    for (checkpoint, number) in checkpoints.iter().zip(1..) {
        if checkpoint.number != number {
            return Err(CheckpointFlaw::Missing { number });
        }
        if !checkpoint.is_coherent(previous) {
            return Err(CheckpointFlaw::Changed { number });
        }
        previous = Some(checkpoint);
    }
    Ok(())
}

/// The ends of all chains that have grown since they were signed.
///
/// # Errors
/// What the database answers.
pub fn grown(conn: &mut PgConnection) -> Result<Vec<Head>, Error> {
    let grown = chains(conn)?
        .into_iter()
        .filter(|chain| chain.seq != chain.signed_seq);
    Ok(grown
        .map(|chain| Head {
            tenant: chain.tenant,
            seq: chain.seq,
            hash: hex(&chain.hash),
        })
        .collect())
}

/// The next checkpoint, to be signed: `at` is the time in RFC 3339, and the heads are those that it
/// names. It lacks key and signature.
///
/// # Errors
/// What the database answers.
pub fn draft(conn: &mut PgConnection, at: &str, heads: Vec<Head>) -> Result<Checkpoint, Error> {
    #[derive(QueryableByName)]
    struct Last {
        #[diesel(sql_type = BigInt)]
        number: i64,
        #[diesel(sql_type = Text)]
        statement: String,
    }
    let last: Option<Last> = diesel::sql_query("SELECT * FROM tenancy.last_checkpoint()")
        .get_result(conn)
        .optional()?;
    let number = last
        .as_ref()
        .map_or(0, |last| last.number)
        .saturating_add(1);
    let previous = last.as_ref().map(|last| last.statement.as_str());
    let mut statement = format!(
        "{TITLE}\nnumber {number}\nat {at}\n{}\n",
        previous_line(previous)
    );
    for head in &heads {
        // Writing to a String cannot fail.
        let _ = writeln!(statement, "{}", head_line(head));
    }
    Ok(Checkpoint {
        number,
        statement,
        heads,
        public_key: Vec::new(),
        signature: Vec::new(),
    })
}

/// Keeps a signed checkpoint; `false` when another one of this number was faster.
///
/// # Errors
/// What the database answers.
pub fn keep(conn: &mut PgConnection, checkpoint: &Checkpoint) -> Result<bool, Error> {
    #[derive(QueryableByName)]
    struct Kept {
        #[diesel(sql_type = Bool)]
        kept: bool,
    }
    let heads: Vec<_> = checkpoint
        .heads
        .iter()
        .map(|head| (head.tenant, head.seq, &head.hash))
        .collect();
    let heads = serde_json::to_value(heads)
        .map_err(|e| diesel::result::Error::SerializationError(Box::new(e)))?;
    let row: Kept = diesel::sql_query("SELECT tenancy.add_checkpoint($1, $2, $3, $4, $5) AS kept")
        .bind::<BigInt, _>(checkpoint.number)
        .bind::<Text, _>(&checkpoint.statement)
        .bind::<Jsonb, _>(heads)
        .bind::<Binary, _>(&checkpoint.public_key)
        .bind::<Binary, _>(&checkpoint.signature)
        .get_result(conn)?;
    Ok(row.kept)
}

/// All checkpoints of the database, oldest first.
///
/// # Errors
/// What the database answers.
pub fn kept(conn: &mut PgConnection) -> Result<Vec<Checkpoint>, Error> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        number: i64,
        #[diesel(sql_type = Text)]
        statement: String,
        #[diesel(sql_type = Jsonb)]
        heads: serde_json::Value,
        #[diesel(sql_type = Binary)]
        public_key: Vec<u8>,
        #[diesel(sql_type = Binary)]
        signature: Vec<u8>,
    }
    let rows: Vec<Row> = diesel::sql_query("SELECT * FROM tenancy.checkpoints(0)").load(conn)?;
    Ok(rows
        .into_iter()
        .map(|row| {
            // What cannot be read names no head, and is found to be changed.
            let heads: Vec<(Uuid, i64, String)> =
                serde_json::from_value(row.heads).unwrap_or_default();
            Checkpoint {
                number: row.number,
                statement: row.statement,
                heads: heads
                    .into_iter()
                    .map(|(tenant, seq, hash)| Head { tenant, seq, hash })
                    .collect(),
                public_key: row.public_key,
                signature: row.signature,
            }
        })
        .collect())
}

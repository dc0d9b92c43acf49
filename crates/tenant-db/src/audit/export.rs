//! A tenant's chain in a file of its own, a line of JSON each: first what it is, then its events.
//! Whoever has the file examines it without a database.

use std::io::{self, BufRead, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Text, Uuid as SqlUuid};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::checkpoint::{Checkpoint, Head, head_line};
use super::event::{SealedEvent, State, decode};
use super::examine::{Examination, Flaw, Named, Walk};
use crate::error::Error;

const PAGE: i32 = 1000;

/// The first line of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportHeader {
    /// The version of this format: 1.
    pub rowhouse_audit_export: u8,
    /// Whose chain.
    pub tenant: Uuid,
    /// How many events follow.
    pub events: i64,
    /// The last checkpoint that names the chain; `None`: none does yet.
    pub checkpoint: Option<Signed>,
}

/// What an operator has signed of this chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// The checkpoint's number.
    pub number: i64,
    /// The signed text. The heads of others stand there as digests.
    pub statement: String,
    /// This tenant's head, which it names.
    pub head: Head,
    /// Ed25519, Base64.
    pub public_key: String,
    /// Base64.
    pub signature: String,
}

impl Signed {
    /// Whether the signed text names the head.
    #[must_use]
    pub fn is_named(&self) -> bool {
        let wanted = head_line(&self.head);
        self.statement.lines().any(|line| line == wanted)
    }
}

/// What an export is found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Its first line.
    pub header: ExportHeader,
    /// What was found of the chain.
    pub examination: Examination,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Text)]
    line: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    events: i64,
}

const LINES: &str = "
SELECT s.seq, jsonb_build_object('seq', s.seq, 'id', s.event_id,
    'commitment', encode(s.commitment, 'base64'), 'hash', encode(s.hash, 'base64'),
    'changes_salt', encode(s.changes_salt, 'base64'), 'address_salt', encode(s.address_salt, 'base64'),
    'changes_digest', encode(s.changes_digest, 'base64'), 'address_digest', encode(s.address_digest, 'base64'),
    'event', CASE WHEN e.id IS NOT NULL THEN jsonb_build_object(
        'at', (extract(epoch FROM e.at) * 1000000)::bigint, 'actor_kind', e.actor_kind, 'actor_id', e.actor_id,
        'session_id', e.session_id, 'role', e.role, 'action', e.action, 'object_type', e.object_type,
        'object_id', e.object_id, 'request_id', e.request_id, 'changes', e.changes::text,
        'address', host(e.address)) END)::text AS line
FROM tenancy.audit_seals s
LEFT JOIN tenancy.audit_events e ON e.tenant_id = s.tenant_id AND e.id = s.event_id
WHERE s.tenant_id = $1 AND s.seq > $2 ORDER BY s.seq LIMIT $3";

/// Writes the sealed events of a tenant. The connection's role reads the tables of the trail: that
/// of `rowhouse_tenancy`, inside of one REPEATABLE READ transaction.
///
/// # Errors
/// What the database answers; `Ok(Err)`: what the file does.
pub fn write_export(
    conn: &mut PgConnection,
    tenant: Uuid,
    checkpoints: &[Checkpoint],
    to: &mut dyn Write,
) -> Result<io::Result<i64>, Error> {
    let count: Count = diesel::sql_query(
        "SELECT count(*) AS events FROM tenancy.audit_seals WHERE tenant_id = $1",
    )
    .bind::<SqlUuid, _>(tenant)
    .get_result(conn)?;
    let signed = checkpoints.iter().rev().find_map(|checkpoint| {
        let head = checkpoint.heads.iter().find(|head| head.tenant == tenant)?;
        Some(Signed {
            number: checkpoint.number,
            statement: checkpoint.statement.clone(),
            head: head.clone(),
            public_key: STANDARD.encode(&checkpoint.public_key),
            signature: STANDARD.encode(&checkpoint.signature),
        })
    });
    let header = ExportHeader {
        rowhouse_audit_export: 1,
        tenant,
        events: count.events,
        checkpoint: signed,
    };
    let first = serde_json::to_string(&header)
        .map_err(|e| diesel::result::Error::SerializationError(Box::new(e)))?;
    if let Err(error) = writeln!(to, "{first}") {
        return Ok(Err(error));
    }
    let mut after = 0;
    loop {
        let page: Vec<Line> = diesel::sql_query(LINES)
            .bind::<SqlUuid, _>(tenant)
            .bind::<BigInt, _>(after)
            .bind::<Integer, _>(PAGE)
            .load(conn)?;
        if page.is_empty() {
            return Ok(to.flush().map(|()| count.events));
        }
        for Line { seq, line } in page {
            after = seq;
            if let Err(error) = writeln!(to, "{line}") {
                return Ok(Err(error));
            }
        }
    }
}

/// Examines an export from its first line to its last: commitments, the chain, and that the
/// checkpoint names it. The signature is for the caller to check, with a key that it trusts.
///
/// # Errors
/// What reading it answers, and that it is no export.
pub fn examine_export(from: &mut dyn BufRead) -> io::Result<Export> {
    let mut lines = from.lines();
    let first = lines
        .next()
        .transpose()?
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the file is empty"))?;
    let header: ExportHeader = serde_json::from_str(&first)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let named: Vec<Named> = header
        .checkpoint
        .iter()
        .map(|signed| Named {
            checkpoint: signed.number,
            head: signed.head.clone(),
        })
        .collect();
    let mut found = Examination {
        tenant: header.tenant,
        sealed: 0,
        erased: 0,
        unsealed: 0,
        flaw: None,
    };
    let mut walk = Walk::new(header.tenant, &named);
    for line in lines {
        let event: SealedEvent = serde_json::from_str(&line?)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        found.flaw = step(&mut walk, &event, &mut found.erased);
        if found.flaw.is_some() {
            break;
        }
    }
    found.sealed = walk.seq();
    if found.flaw.is_none() {
        found.flaw = walk.end().err();
    }
    if found.flaw.is_none() && found.sealed != header.events {
        found.flaw = Some(Flaw::Truncated {
            seq: found.sealed.saturating_add(1),
            checkpoint: None,
        });
    }
    Ok(Export {
        header,
        examination: found,
    })
}

fn step(walk: &mut Walk<'_>, event: &SealedEvent, erased: &mut i64) -> Option<Flaw> {
    let changed = Flaw::Changed {
        seq: Some(event.seq),
        event: event.id,
    };
    let (Some(commitment), Some(hash)) = (decode(&event.commitment), decode(&event.hash)) else {
        return Some(changed);
    };
    if let Err(flaw) = walk.step(event.seq, event.id, &commitment, &hash) {
        return Some(flaw);
    }
    match event.state(walk.tenant()) {
        State::Whole => None,
        State::Erased => {
            *erased = erased.saturating_add(1);
            None
        }
        State::Changed => Some(changed),
    }
}

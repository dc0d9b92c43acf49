//! An event with what proves it, as an export has it a line, and the commitment made anew.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::sha256;

/// The first field of every encoding.
const TITLE: &[u8] = b"rowhouse audit event 1";
/// PostgreSQL's number for the type of every field.
const BYTEA: u32 = 17;

/// One event of a chain. Binary values are Base64 (RFC 4648, 4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedEvent {
    /// Its place in the chain.
    pub seq: i64,
    /// Its id.
    pub id: Uuid,
    /// What the event is committed to by.
    pub commitment: String,
    /// Of the chain, up to and with this event.
    pub hash: String,
    /// Hides `changes` in its digest; `None` once they are erased.
    pub changes_salt: Option<String>,
    /// Hides `address` in its digest; `None` where there is none.
    pub address_salt: Option<String>,
    /// In place of `changes`, once they are erased.
    pub changes_digest: Option<String>,
    /// In place of `address`, once it is erased.
    pub address_digest: Option<String>,
    /// What happened; `None` where all of the tenant was erased.
    pub event: Option<EventBody>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventBody {
    /// Microseconds since 1970.
    pub at: i64,
    /// `user`, `key`, `job`, `operator` or `system`.
    pub actor_kind: String,
    /// Who.
    pub actor_id: String,
    /// The session of a user.
    pub session_id: Option<Uuid>,
    /// The role in which they acted.
    pub role: Option<String>,
    /// `insert`, `update` or `delete`.
    pub action: String,
    /// The table.
    pub object_type: String,
    /// The row.
    pub object_id: String,
    /// The request that did it.
    pub request_id: Option<String>,
    /// JSON as text, byte for byte as it was hashed.
    pub changes: Option<String>,
    /// Where the request came from.
    pub address: Option<String>,
}

/// What is left of an event, given what proves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Whole,
    Erased,
    Changed,
}

impl SealedEvent {
    /// Whether the event is what its commitment says.
    pub(super) fn state(&self, tenant: Uuid) -> State {
        let Some(event) = &self.event else {
            let is_bare = [
                &self.changes_salt,
                &self.address_salt,
                &self.changes_digest,
                &self.address_digest,
            ];
            return if is_bare.iter().all(|value| value.is_none()) {
                State::Erased
            } else {
                State::Changed
            };
        };
        let changes = digest(&self.changes_digest, &self.changes_salt, &event.changes);
        let address = digest(&self.address_digest, &self.address_salt, &event.address);
        let (Ok(changes), Ok(address), Some(commitment)) =
            (changes, address, decode(&self.commitment))
        else {
            return State::Changed;
        };
        let made = event.commitment(
            tenant,
            self.id,
            changes.as_ref().map(<[u8; 32]>::as_slice),
            address.as_ref().map(<[u8; 32]>::as_slice),
        );
        if made.as_slice() != commitment {
            State::Changed
        } else if self.changes_digest.is_some() || self.address_digest.is_some() {
            State::Erased
        } else {
            State::Whole
        }
    }
}

/// A value and its digest do not go together.
struct Incoherent;

/// The digest of a value: the one that took its place, or made anew.
fn digest(
    kept: &Option<String>,
    salt: &Option<String>,
    value: &Option<String>,
) -> Result<Option<[u8; 32]>, Incoherent> {
    match (kept, salt, value) {
        (Some(kept), None, None) => decode(kept)
            .and_then(|bytes| bytes.try_into().ok())
            .map(Some)
            .ok_or(Incoherent),
        (None, Some(salt), Some(value)) => decode(salt)
            .map(|salt| Some(sha256(&[&salt, value.as_bytes()])))
            .ok_or(Incoherent),
        (None, _, None) => Ok(None),
        _ => Err(Incoherent),
    }
}

impl EventBody {
    fn commitment(
        &self,
        tenant: Uuid,
        id: Uuid,
        changes: Option<&[u8]>,
        address: Option<&[u8]>,
    ) -> [u8; 32] {
        let at = self.at.to_be_bytes();
        let fields: [Option<&[u8]>; 14] = [
            Some(TITLE),
            Some(tenant.as_bytes()),
            Some(id.as_bytes()),
            Some(&at),
            Some(self.actor_kind.as_bytes()),
            Some(self.actor_id.as_bytes()),
            self.session_id.as_ref().map(|id| id.as_bytes().as_slice()),
            self.role.as_deref().map(str::as_bytes),
            Some(self.action.as_bytes()),
            Some(self.object_type.as_bytes()),
            Some(self.object_id.as_bytes()),
            self.request_id.as_deref().map(str::as_bytes),
            changes,
            address,
        ];
        sha256(&[&encoding(&fields)])
    }
}

/// The number of fields; of each its type, its length (-1: none) and its bytes, as PostgreSQL sends
/// a row.
fn encoding(fields: &[Option<&[u8]>]) -> Vec<u8> {
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let mut bytes = length(fields.len()).to_vec();
    for field in fields {
        bytes.extend(BYTEA.to_be_bytes());
        match field {
            Some(field) => {
                bytes.extend(length(field.len()));
                bytes.extend(*field);
            }
            None => bytes.extend([0xff; 4]),
        }
    }
    bytes
}

pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

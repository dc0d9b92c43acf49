//! How an event is tied to the one before it.

use uuid::Uuid;

use super::sha256;

/// The end of a chain, as far as it was followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) seq: i64,
    pub(super) hash: [u8; 32],
}

impl Link {
    /// Where the chain of a tenant begins, before its first event.
    pub(super) fn first(tenant: Uuid) -> Self {
        Self {
            seq: 0,
            hash: sha256(&[b"rowhouse audit chain 1", tenant.as_bytes()]),
        }
    }

    /// The next one, with this event.
    pub(super) fn then(self, event: Uuid, commitment: &[u8]) -> Self {
        let seq = self.seq.saturating_add(1);
        Self {
            seq,
            hash: sha256(&[&self.hash, &seq.to_be_bytes(), event.as_bytes(), commitment]),
        }
    }
}

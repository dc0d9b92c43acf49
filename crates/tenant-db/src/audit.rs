//! The audit trail from outside of a tenant: what seals it, signs it, examines it, and proves a
//! tenant's own copy without a database. Events themselves are written by the trigger that
//! `tenancy.protect` attaches; whoever works in a tenant reads them as rows of
//! `tenancy.audit_events`.
//!
//! `docs/audit.md` of the repository tells every byte of what is hashed.

mod chain;
mod checkpoint;
mod event;
mod examine;
mod export;
mod seal;

pub use self::checkpoint::{
    Checkpoint, CheckpointFlaw, Head, draft, grown, is_unbroken, keep, kept,
};
pub use self::event::{EventBody, SealedEvent};
pub use self::examine::{Chain, Examination, Flaw, Named, chains, examine};
pub use self::export::{Export, ExportHeader, Signed, examine_export, write_export};
pub use self::seal::{Waiting, seal_events, tenants_to_seal};

use sha2::{Digest as _, Sha256};

/// SHA-256 over these, one behind the other.
fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

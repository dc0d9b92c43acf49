//! What the administrator does with the audit trail: signs it, and examines it. No value of a
//! tenant's row is seen on the way.

use std::collections::BTreeSet;

use auth::{CheckpointKey, TrustedKey};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use tenant_db::audit::{self, Chain, Checkpoint, CheckpointFlaw, Examination, Named};
use uuid::Uuid;

use crate::error::Error;
use crate::identity::sign;
use crate::ops_db::OpsDb;
use crate::signers::{SignedStatement, Signer, signers_of};

/// What was found of the audit trail.
#[derive(Debug)]
pub struct AuditReport {
    /// Of each tenant that was asked for.
    pub examinations: Vec<Examination>,
    /// The ends of all chains, as they are recorded.
    pub chains: Vec<Chain>,
    /// How many checkpoints there are.
    pub checkpoints: usize,
    /// Who has signed them, oldest first, up to the first that does not count.
    pub signers: Vec<Signer>,
    /// What is wrong with them.
    pub flaw: Option<String>,
}

impl AuditReport {
    /// Whether all is as it was.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.flaw.is_none()
            && self
                .examinations
                .iter()
                .all(|examination| examination.flaw.is_none())
    }
}

impl OpsDb {
    /// The newest checkpoint; `None` where there is none yet.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn newest_checkpoint(&mut self) -> Result<Option<Checkpoint>, Error> {
        Ok(audit::kept(self.conn())?.pop())
    }

    /// Signs the ends of all chains that have grown since the last checkpoint, as they are and without
    /// a look at them, and keeps that. `None`: none has.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn sign_chains(
        &mut self,
        key: &CheckpointKey,
        now: DateTime<Utc>,
    ) -> Result<Option<Checkpoint>, Error> {
        let conn = self.conn();
        conn.transaction(|conn| {
            let heads = audit::grown(conn)?;
            sign(conn, key, heads, now)
        })
    }

    /// Follows the chain of one tenant, or all chains, and compares them with the checkpoints: those
    /// of the database, which must carry a signature of one of `trusted`, or where that is empty of the
    /// key that stands beside it, and one that somebody kept.
    ///
    /// # Errors
    /// [`Error::Database`]. A flaw is no error.
    pub fn examine_audit(
        &mut self,
        tenant: Option<Uuid>,
        trusted: &[TrustedKey],
        kept: Option<&Checkpoint>,
    ) -> Result<AuditReport, Error> {
        let known: Vec<Uuid> = self.list_tenants()?.into_iter().map(|t| t.id).collect();
        self.conn()
            .build_transaction()
            .read_only()
            .repeatable_read()
            .run(|conn| {
                let checkpoints = audit::kept(conn)?;
                let chains = audit::chains(conn)?;
                let (signers, unsigned) = signers_of(&checkpoints, trusted);
                let broken = audit::is_unbroken(&checkpoints).err();
                let flaw = broken
                    .map(|flaw| flaw.to_string())
                    .or_else(|| unsigned.map(|why| why.to_string()))
                    .or_else(|| flaw_of_kept(kept?, &checkpoints, trusted));
                let named: Vec<Checkpoint> = checkpoints.iter().chain(kept).cloned().collect();
                let tenants = match tenant {
                    Some(tenant) => BTreeSet::from([tenant]),
                    None => everybody(known, &chains, &named),
                };
                let mut examinations = Vec::new();
                for tenant in tenants {
                    let end = chains.iter().find(|chain| chain.tenant == tenant);
                    let named = Named::of(&named, tenant);
                    examinations.push(audit::examine(conn, tenant, end, &named)?);
                }
                Ok(AuditReport {
                    examinations,
                    chains,
                    checkpoints: checkpoints.len(),
                    signers,
                    flaw,
                })
            })
    }
}

/// Tenants that are there, and those of which something is left.
fn everybody(known: Vec<Uuid>, chains: &[Chain], checkpoints: &[Checkpoint]) -> BTreeSet<Uuid> {
    let signed = checkpoints
        .iter()
        .flat_map(|checkpoint| checkpoint.heads.iter().map(|head| head.tenant));
    known
        .into_iter()
        .chain(chains.iter().map(|chain| chain.tenant))
        .chain(signed)
        .collect()
}

fn flaw_of_kept(
    kept: &Checkpoint,
    checkpoints: &[Checkpoint],
    trusted: &[TrustedKey],
) -> Option<String> {
    if let Err(unsigned) = SignedStatement::of(kept).signer(trusted) {
        return Some(unsigned.to_string());
    }
    let known = checkpoints.iter().find(|known| known.number == kept.number);
    let flaw = match known {
        None => CheckpointFlaw::Missing {
            number: kept.number,
        },
        Some(known) if known.statement != kept.statement => CheckpointFlaw::Changed {
            number: kept.number,
        },
        Some(_) => return None,
    };
    Some(flaw.to_string())
}

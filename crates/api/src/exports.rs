//! How many exports are made at once for one tenant: each holds a few hundred KiB for as long as its
//! client takes its time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::TenantId;

use crate::error::ApiError;

/// At once, for one tenant, by one server.
const MOST: u8 = 4;

/// After how many seconds somebody who came too early may try again.
const RETRY_AFTER_SECONDS: u64 = 10;

/// The exports that are under way, of all tenants. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Exports(Arc<Mutex<HashMap<TenantId, u8>>>);

/// One of them; over when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    exports: Exports,
    tenant: TenantId,
}

impl Exports {
    /// [`ApiError::Busy`] where the tenant has as many as it may have.
    pub(crate) fn begin(&self, tenant: TenantId) -> Result<Turn, ApiError> {
        let mut running = self.running();
        let count = running.entry(tenant).or_default();
        if *count >= MOST {
            return Err(ApiError::Busy {
                retry_after_seconds: RETRY_AFTER_SECONDS,
            });
        }
        *count = count.saturating_add(1);
        drop(running);
        Ok(Turn {
            exports: self.clone(),
            tenant,
        })
    }

    fn running(&self) -> MutexGuard<'_, HashMap<TenantId, u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut running = self.exports.running();
        if let Some(count) = running.get_mut(&self.tenant) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                running.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_so_many_at_once_and_takes_none_from_another() {
        let exports = Exports::default();
        let (one, other) = (TenantId::generate(), TenantId::generate());
        let mut turns: Vec<Turn> = (0..MOST).map(|_| exports.begin(one).unwrap()).collect();
        assert!(matches!(exports.begin(one), Err(ApiError::Busy { .. })));
        drop(exports.begin(other).unwrap());
        drop(turns.pop());
        turns.push(exports.begin(one).unwrap());
        assert!(exports.begin(one).is_err());
        drop(turns);
        assert!(exports.running().is_empty());
    }
}

//! What each tenant's limit is, as of a few seconds ago: read in a transaction of a caller's own, and
//! never on behalf of a request that is refused.

use std::time::{Duration, Instant};

use domain::TenantId;
use moka::Entry;
use moka::ops::compute::{CompResult, Op};
use moka::sync::Cache;
use rate_limit::Limit;
use store::tenants;
use tenant_db::{Context, TenantDb};

use super::TiersSettings;

/// After so long it is read again, by the next request that is let through.
const FRESH: Duration = Duration::from_secs(10);
/// Unused.
const IDLE: Duration = Duration::from_secs(300);
/// Most that are remembered.
const MOST: u64 = 100_000;

/// By tenant.
pub(super) struct TenantLimits {
    known: Cache<TenantId, Known>,
    pub(super) fresh: Duration,
}

#[derive(Clone, Copy)]
struct Known {
    limit: Limit,
    read_at: Instant,
}

impl Default for TenantLimits {
    fn default() -> Self {
        let cache = Cache::builder().max_capacity(MOST).time_to_idle(IDLE);
        Self {
            known: cache.build(),
            fresh: FRESH,
        }
    }
}

impl TenantLimits {
    /// As far as it is known.
    pub(super) fn get(&self, tenant: TenantId) -> Option<Limit> {
        Some(self.known.get(&tenant)?.limit)
    }

    /// Whether somebody should read it again: of those who ask at once, one.
    pub(super) fn is_to_be_read(&self, tenant: TenantId) -> bool {
        let is_old = |known: Known| known.read_at.elapsed() >= self.fresh;
        if !self.known.get(&tenant).is_some_and(is_old) {
            return false;
        }
        let entry = self.known.entry(tenant);
        let done = entry.and_compute_with(|known| match known.map(Entry::into_value) {
            Some(known) if is_old(known) => Op::Put(Known {
                read_at: Instant::now(),
                ..known
            }),
            _ => Op::Nop,
        });
        matches!(done, CompResult::ReplacedWith(_))
    }

    /// Reads it. `None` where the caller may not enter, which the caller's own work will say.
    pub(super) async fn read(
        &self,
        tenant: TenantId,
        context: Context,
        rows: &TenantDb,
        tiers: &TiersSettings,
    ) -> Option<Limit> {
        let row = rows.read(context, tenants::find).await;
        let row = row.ok()?;
        let limit = tiers.limit(
            row.subscription_tier,
            row.rate_limit_per_minute,
            row.rate_limit_burst,
        );
        let read_at = Instant::now();
        self.known.insert(tenant, Known { limit, read_at });
        Some(limit)
    }
}

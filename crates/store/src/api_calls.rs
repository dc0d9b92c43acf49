//! Counts the calls of the API against each tenant's plan without a write each: a server takes a
//! hundred at a time, or what is left, and serves them from memory. So a tenant never has more than
//! its plan allows, over all servers; and a server that dies takes up to a hundred along.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Datelike as _, Months, NaiveDate, NaiveTime, Utc};
use domain::{PlanResource, SubscriptionTier, TenantId};
use moka::future::Cache;
use tokio::sync::Mutex as AsyncMutex;

use crate::error::Error;
use crate::identity::{IdentityDb, LeasedCalls};
use crate::plan_limits::PlanLimits;
use crate::tenant_plans::TenantPlans;

/// How many calls are taken at once.
const LEASE: i32 = 100;

/// Of how many tenants calls are kept, some 200 bytes each. Of those that were idle longest beyond
/// that, what is left of a lease is lost.
const MOST_TENANTS: u64 = 100_000;

/// How long a refusal is believed: another server may give calls back.
const REFUSED_FOR: Duration = Duration::from_secs(5);

/// Counts calls. Cheap to clone; all clones count together.
#[derive(Debug, Clone)]
pub struct ApiCalls {
    identity: IdentityDb,
    plans: TenantPlans,
    limits: PlanLimits,
    leases: Cache<TenantId, Arc<Lease>>,
}

#[derive(Debug, Default)]
struct Lease {
    calls: Mutex<Calls>,
    /// Held by whoever asks the database.
    asking: AsyncMutex<()>,
}

/// What may be served of one tenant.
#[derive(Debug, Default)]
struct Calls {
    /// The first day of the month that they are of.
    month: NaiveDate,
    left: i32,
    refusal: Option<Refusal>,
}

/// That nothing is left.
#[derive(Debug, Clone, Copy)]
struct Refusal {
    at: Instant,
    tier: SubscriptionTier,
    limit: i64,
    used: i64,
}

/// The first day of the month of this moment, by UTC.
#[must_use]
pub fn month_of(now: DateTime<Utc>) -> NaiveDate {
    let today = now.date_naive();
    today.with_day(1).unwrap_or(today)
}

/// When the month after this one begins.
#[must_use]
pub fn end_of(month: NaiveDate) -> DateTime<Utc> {
    let next = month.checked_add_months(Months::new(1));
    next.unwrap_or(NaiveDate::MAX)
        .and_time(NaiveTime::MIN)
        .and_utc()
}

impl Lease {
    /// Whoever panicked with it has left it whole.
    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One call of what is left, if there is any of this month.
    fn take(&self, month: NaiveDate) -> bool {
        let mut calls = self.calls();
        let is_left = calls.month == month && calls.left > 0;
        if is_left {
            calls.left = calls.left.saturating_sub(1);
        }
        is_left
    }

    fn grant(&self, month: NaiveDate, granted: i32) {
        let mut calls = self.calls();
        if calls.month != month {
            *calls = Calls {
                month,
                ..Calls::default()
            };
        }
        calls.left = calls.left.saturating_add(granted);
    }

    fn refusal(&self, month: NaiveDate) -> Option<Refusal> {
        let calls = self.calls();
        let refusal = calls.refusal.filter(|_| calls.month == month)?;
        (refusal.at.elapsed() < REFUSED_FOR).then_some(refusal)
    }
}

impl Refusal {
    fn error(self, month: NaiveDate) -> Error {
        Error::ApiCallLimit {
            limit: self.limit,
            current: self.used,
            resets_at: end_of(month),
        }
    }
}

impl ApiCalls {
    /// Counts by the doors of `identity`, against `limits`.
    #[must_use]
    pub fn new(identity: IdentityDb, plans: TenantPlans, limits: PlanLimits) -> Self {
        let leases = Cache::builder().max_capacity(MOST_TENANTS).build();
        Self {
            identity,
            plans,
            limits,
            leases,
        }
    }

    /// Counts one call of this tenant's: in memory, but for one in a hundred. Who is refused is
    /// refused from memory for a while, unless the tenant's tier has changed. Inside a runtime.
    ///
    /// # Errors
    /// [`Error::ApiCallLimit`] when the month's calls are used up.
    pub async fn count(&self, tenant: TenantId, now: DateTime<Utc>) -> Result<(), Error> {
        let month = month_of(now);
        let lease = self.leases.get_with(tenant, async { Arc::default() }).await;
        if lease.take(month) {
            return Ok(());
        }
        let _asking = lease.asking.lock().await;
        // Whoever asked before may have got enough for all who wait.
        loop {
            if lease.take(month) {
                return Ok(());
            }
            let tier = match self.plans.find(tenant).await {
                Ok(plan) => plan.tier,
                // Nobody's calls: the transaction will say so.
                Err(Error::NotFound) => return Ok(()),
                Err(error) => return Err(error),
            };
            if let Some(refusal) = lease.refusal(month).filter(|it| it.tier == tier) {
                return Err(refusal.error(month));
            }
            let leased = self.lease(&lease, tenant, month).await?;
            let Some(leased) = leased else { return Ok(()) };
            if leased.granted == 0 {
                let refusal = Refusal {
                    at: Instant::now(),
                    tier,
                    limit: leased.limit.unwrap_or_default(),
                    used: leased.used,
                };
                lease.calls().refusal = Some(refusal);
                return Err(refusal.error(month));
            }
        }
    }

    /// Leases calls and keeps what was granted, even if whoever asked goes away meanwhile.
    async fn lease(
        &self,
        lease: &Arc<Lease>,
        tenant: TenantId,
        month: NaiveDate,
    ) -> Result<Option<LeasedCalls>, Error> {
        let limits = *self.limits.by_tier(PlanResource::ApiCalls);
        let (identity, lease) = (self.identity.clone(), Arc::clone(lease));
        let leasing = tokio::spawn(async move {
            let leased = identity
                .lease_api_calls(tenant, month, LEASE, limits)
                .await?;
            if let Some(leased) = leased {
                lease.grant(month, leased.granted);
            }
            Ok(leased)
        });
        let panicked = |_| Error::Database(tenant_db::Error::Panicked);
        leasing.await.map_err(panicked)?
    }

    /// How many calls of this month this server has leased and not served.
    pub async fn unserved(&self, tenant: TenantId, month: NaiveDate) -> i64 {
        let Some(lease) = self.leases.get(&tenant).await else {
            return 0;
        };
        let calls = lease.calls();
        if calls.month == month {
            calls.left.into()
        } else {
            0
        }
    }

    /// Gives back all that was not served, when the server stops. What cannot be given back is
    /// lost.
    pub async fn give_back(&self) {
        for (tenant, lease) in &self.leases {
            let calls = std::mem::take(&mut *lease.calls());
            if calls.left == 0 {
                continue;
            }
            let returned = self
                .identity
                .return_api_calls(*tenant, calls.month, calls.left)
                .await;
            if let Err(error) = returned {
                log::warn!(error:% = error; "API calls that were not served were not given back");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_ends_when_the_next_one_begins() {
        for (now, month, end) in [
            ("2026-11-21T20:00:00Z", "2026-11-01", "2026-12-01T00:00:00Z"),
            ("2026-12-31T23:59:59Z", "2026-12-01", "2027-01-01T00:00:00Z"),
            ("2027-01-01T00:00:00Z", "2027-01-01", "2027-02-01T00:00:00Z"),
        ] {
            let found = month_of(now.parse().unwrap());
            assert_eq!(found, month.parse().unwrap());
            assert_eq!(end_of(found), end.parse::<DateTime<Utc>>().unwrap());
        }
    }
}

//! Sections `rate_limit` and `tiers`.

use std::num::NonZeroU32;

use domain::{SubscriptionTier, TenantPlan};
use rate_limit::Limit;
use serde::Deserialize;

const fn number(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

/// Section `rate_limit`. Every key may be left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct RateLimitSettings {
    /// `rate_limit.enabled`: whether there are limits at all. Default true.
    pub enabled: bool,
    /// `rate_limit.address_per_minute`: requests of one address, or one IPv6 network of 64 bits, on
    /// one server. Default 1200.
    pub address_per_minute: NonZeroU32,
    /// `rate_limit.address_burst`: at once. Default 300.
    pub address_burst: NonZeroU32,
    /// `rate_limit.auth_per_minute`: of these, to `/api/v1/auth/*`. Default 120.
    pub auth_per_minute: NonZeroU32,
    /// `rate_limit.auth_burst`: at once. Default 60.
    pub auth_burst: NonZeroU32,
    /// `rate_limit.user_per_minute`: requests of one user, or one API key. Default none: the tenant's.
    pub user_per_minute: Option<NonZeroU32>,
    /// `rate_limit.user_burst`: at once. Default none: the tenant's.
    pub user_burst: Option<NonZeroU32>,
}

impl Default for RateLimitSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            address_per_minute: number(1200),
            address_burst: number(300),
            auth_per_minute: number(120),
            auth_burst: number(60),
            user_per_minute: None,
            user_burst: None,
        }
    }
}

impl RateLimitSettings {
    pub(super) fn address(&self) -> Limit {
        Limit::per_minute(self.address_per_minute, self.address_burst)
    }

    pub(super) fn auth(&self) -> Limit {
        Limit::per_minute(self.auth_per_minute, self.auth_burst)
    }

    /// Of one user or key in a tenant with this limit.
    pub(super) fn user(&self, tenant: Limit) -> Limit {
        let or = |own: Option<NonZeroU32>, tenant| own.unwrap_or(number(tenant));
        Limit::per_minute(
            or(self.user_per_minute, tenant.tokens_per_minute()),
            or(self.user_burst, tenant.burst()),
        )
    }
}

/// Section `tiers`: what each subscription tier allows, where a tenant has nothing of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct TiersSettings {
    /// `tiers.free`. Default 300 a minute, 100 at once.
    pub free: TierSettings,
    /// `tiers.basic`. Default 1000 a minute, 200 at once.
    pub basic: TierSettings,
    /// `tiers.premium`. Default 5000 a minute, 1000 at once.
    pub premium: TierSettings,
    /// `tiers.enterprise`. Default 20,000 a minute, 4000 at once.
    pub enterprise: TierSettings,
}

/// One tier of section `tiers`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct TierSettings {
    /// `tiers.<tier>.rate_limit_per_minute`: requests of a tenant.
    pub rate_limit_per_minute: NonZeroU32,
    /// `tiers.<tier>.rate_limit_burst`: at once.
    pub rate_limit_burst: NonZeroU32,
}

impl Default for TiersSettings {
    fn default() -> Self {
        let tier = |per_minute, burst| TierSettings {
            rate_limit_per_minute: number(per_minute),
            rate_limit_burst: number(burst),
        };
        Self {
            free: tier(300, 100),
            basic: tier(1000, 200),
            premium: tier(5000, 1000),
            enterprise: tier(20_000, 4000),
        }
    }
}

impl TiersSettings {
    /// Of a tenant with this plan: of its tier, where it has no numbers of its own.
    pub(super) fn limit(&self, plan: &TenantPlan) -> Limit {
        let tier = self.of(plan.tier);
        let own = |number: Option<u32>| NonZeroU32::new(number?);
        Limit::per_minute(
            own(plan.rate_limit_per_minute).unwrap_or(tier.rate_limit_per_minute),
            own(plan.rate_limit_burst).unwrap_or(tier.rate_limit_burst),
        )
    }

    /// The least that there is: of whoever has no tenant, or one that nobody knows.
    pub(super) fn least(&self) -> Limit {
        Limit::per_minute(self.free.rate_limit_per_minute, self.free.rate_limit_burst)
    }

    fn of(&self, tier: SubscriptionTier) -> TierSettings {
        match tier {
            SubscriptionTier::Free => self.free,
            SubscriptionTier::Basic => self.basic,
            SubscriptionTier::Premium => self.premium,
            SubscriptionTier::Enterprise => self.enterprise,
        }
    }
}

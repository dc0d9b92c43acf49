//! What a tenant pays for, as a server asks for it before anything else.

use crate::{Features, SubscriptionTier};

/// Decides about limits, never about access: servers remember it for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantPlan {
    /// The tenant's tier.
    pub tier: SubscriptionTier,
    /// Requests per minute; `None`: its tier's.
    pub rate_limit_per_minute: Option<u32>,
    /// Requests at once; `None`: its tier's.
    pub rate_limit_burst: Option<u32>,
    /// What it has.
    pub features: Features,
}

//! What plans limit, and how much of it a tenant has.

use crate::SubscriptionTier;
use crate::words::words;

words! {
    /// What a plan limits.
    PlanResource {
        /// Members, and who is invited.
        Members = "members",
        /// Projects that are not deleted.
        Projects = "projects",
        /// Calls of the API in a month.
        ApiCalls = "api_calls",
        /// Custom roles.
        Roles = "roles",
        /// API keys that are not revoked.
        ApiKeys = "api_keys",
    }
}

/// What a tenant has of what plans limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The tenant's tier.
    pub tier: SubscriptionTier,
    /// Members, and who is invited while the invitation is good.
    pub members: i64,
    /// Projects that are not deleted.
    pub projects: i64,
    /// Calls of the API in the month that was asked for.
    pub api_calls: i64,
}

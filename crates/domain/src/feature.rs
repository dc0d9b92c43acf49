//! Feature flags: each declared here once, with what it is in each tier.

use std::collections::BTreeMap;

use crate::SubscriptionTier;
use crate::words::words;

words! {
    /// What a tenant has or has not. Its tier decides, unless an operator decided otherwise for
    /// this tenant.
    #[derive(PartialOrd, Ord)]
    Feature {
        /// Programs may come in by keys that admins make.
        ApiKeys = "api_keys",
        /// Admins make roles of their own.
        CustomRoles = "custom_roles",
        /// Front ends say whose software this is.
        PoweredByBadge = "powered_by_badge",
    }
}

impl Feature {
    /// Whether tenants of this tier have it.
    #[must_use]
    pub(crate) const fn is_in(self, tier: SubscriptionTier) -> bool {
        match self {
            Self::ApiKeys | Self::CustomRoles => true,
            Self::PoweredByBadge => matches!(tier, SubscriptionTier::Free),
        }
    }
}

/// Who decided about a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeatureSource {
    /// The tenant's tier.
    Tier,
    /// An operator, for this tenant.
    Tenant,
}

/// The features of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    tier: SubscriptionTier,
    overrides: BTreeMap<Feature, bool>,
}

impl Features {
    /// Those of the tier, but for what `overrides` says: an object of names and booleans. Names
    /// that this version does not know are left out, as are values that are no boolean.
    #[must_use]
    pub fn new(tier: SubscriptionTier, overrides: &serde_json::Value) -> Self {
        let known = Feature::ALL.iter().filter_map(|&feature| {
            let enabled = overrides.get(feature.as_str())?.as_bool()?;
            Some((feature, enabled))
        });
        Self {
            tier,
            overrides: known.collect(),
        }
    }

    /// Whether the tenant has it.
    #[must_use]
    pub fn has(&self, feature: Feature) -> bool {
        let decided = self.overrides.get(&feature).copied();
        decided.unwrap_or_else(|| feature.is_in(self.tier))
    }

    /// Who decided that.
    #[must_use]
    pub fn source(&self, feature: Feature) -> FeatureSource {
        if self.overrides.contains_key(&feature) {
            FeatureSource::Tenant
        } else {
            FeatureSource::Tier
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_tier_decides_until_somebody_decides_for_the_tenant() {
        let overrides = json!({ "api_keys": false, "powered_by_badge": "no", "of_tomorrow": true });
        let features = Features::new(SubscriptionTier::Free, &overrides);
        assert!(!features.has(Feature::ApiKeys));
        assert_eq!(features.source(Feature::ApiKeys), FeatureSource::Tenant);
        assert!(features.has(Feature::PoweredByBadge));
        assert_eq!(
            features.source(Feature::PoweredByBadge),
            FeatureSource::Tier
        );
        let features = Features::new(SubscriptionTier::Basic, &json!({}));
        assert!(!features.has(Feature::PoweredByBadge));
        assert!(features.has(Feature::CustomRoles));
    }
}

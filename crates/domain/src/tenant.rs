//! A tenant: one company, its state, its plan, and how people come in.

use chrono::{DateTime, Utc};

use crate::words::words;
use crate::{BrandingPatch, SettingsError, SettingsPatch, TenantId, TenantName};

words! {
    /// Whether a tenant is served.
    #[derive(Default)]
    TenantStatus {
        /// Served.
        #[default]
        Active = "active",
        /// Locked by an operator; its rows are untouched.
        Suspended = "suspended",
        /// To be erased when the grace period is over; can be restored until then.
        Deleting = "deleting",
    }
}

words! {
    /// What a tenant pays for; decides limits and features. Ordered, the smallest first.
    #[derive(Default, PartialOrd, Ord)]
    SubscriptionTier {
        /// The default of a new tenant.
        #[default]
        Free = "free",
        /// One above free.
        Basic = "basic",
        /// Two above free.
        Premium = "premium",
        /// Without plan limits.
        Enterprise = "enterprise",
    }
}

words! {
    /// Who may join a tenant by registering with its slug.
    #[derive(Default)]
    Signup {
        /// Nobody: by invitation only. The default.
        #[default]
        Closed = "closed",
        /// Anybody.
        Open = "open",
        /// Who has an address in one of the tenant's e-mail domains.
        Domain = "domain",
    }
}

/// A tenant as the database has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its slug, unique. A plain text: slugs made before a word became reserved stay valid.
    pub slug: String,
    /// The label under `server.base_domain` that selects it; its slug unless set.
    pub subdomain: String,
    /// The company's name.
    pub name: String,
    /// Whether it is served.
    pub status: TenantStatus,
    /// What it pays for.
    pub subscription_tier: SubscriptionTier,
    /// Requests per minute; `None`: its tier's.
    pub rate_limit_per_minute: Option<i32>,
    /// Requests at once; `None`: its tier's.
    pub rate_limit_burst: Option<i32>,
    /// Who may join.
    pub signup: Signup,
    /// The e-mail domains that `signup: domain` lets in, lower-case.
    pub signup_domains: Vec<String>,
    /// The tenant's own settings, a JSON object.
    pub settings: serde_json::Value,
    /// Colours, logo and the like, a JSON object.
    pub branding: serde_json::Value,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Until when it can be restored; `None` while it is not to be erased.
    pub erase_after: Option<DateTime<Utc>>,
}

/// What an admin wants to change of a tenant, as it is asked for; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantPatch {
    /// The company's name.
    pub name: Option<TenantName>,
    /// Who may join without an invitation.
    pub signup: Option<Signup>,
    /// The e-mail domains that `signup: domain` lets in, lower-case.
    pub signup_domains: Option<Vec<String>>,
    /// What shall change in the settings.
    pub settings: Option<SettingsPatch>,
    /// What shall change in the looks.
    pub branding: Option<BrandingPatch>,
}

/// What changes of a tenant, worked out; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantChanges {
    /// The company's name.
    pub name: Option<TenantName>,
    /// Who may join without an invitation.
    pub signup: Option<Signup>,
    /// The e-mail domains that `signup: domain` lets in, lower-case.
    pub signup_domains: Option<Vec<String>>,
    /// The settings, whole.
    pub settings: Option<serde_json::Value>,
    /// The looks, whole.
    pub branding: Option<serde_json::Value>,
}

impl TenantPatch {
    /// The changes that this makes to a tenant.
    ///
    /// # Errors
    /// When all settings together become too large.
    pub fn onto(self, current: &Tenant) -> Result<TenantChanges, SettingsError> {
        let settings = self.settings.map(|patch| patch.onto(&current.settings));
        Ok(TenantChanges {
            name: self.name,
            signup: self.signup,
            signup_domains: self.signup_domains,
            settings: settings.transpose()?,
            branding: self.branding.map(|patch| patch.onto(&current.branding)),
        })
    }
}

impl TenantChanges {
    /// Whether nothing is changed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.name.is_none()
            && self.signup.is_none()
            && self.signup_domains.is_none()
            && self.settings.is_none()
            && self.branding.is_none()
    }
}

impl Tenant {
    /// Whether it is served.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status == TenantStatus::Active
    }
}

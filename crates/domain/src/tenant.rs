//! A tenant: one company, its state, its plan, and how people come in.

use chrono::{DateTime, Utc};

use crate::words::words;
use crate::{TenantId, TenantName};

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
}

/// What an admin changes of a tenant; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantChanges {
    /// The company's name.
    pub name: Option<TenantName>,
    /// Who may join without an invitation.
    pub signup: Option<Signup>,
    /// The e-mail domains that `signup: domain` lets in, lower-case.
    pub signup_domains: Option<Vec<String>>,
}

impl TenantChanges {
    /// Whether nothing is changed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.name.is_none() && self.signup.is_none() && self.signup_domains.is_none()
    }
}

impl Tenant {
    /// Whether it is served.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status == TenantStatus::Active
    }
}

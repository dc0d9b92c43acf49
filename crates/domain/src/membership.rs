//! A membership: one person in one tenant, which is what the API calls a user. Seen from the
//! tenant's side ([`Membership`]) and from the account's ([`TenantMembership`]).

use chrono::{DateTime, Utc};

use crate::words::words;
use crate::{
    AccountId, CustomRoleName, FullName, MembershipId, Role, RoleId, TenantId, TenantStatus,
};

words! {
    /// Whether a member may come in.
    MembershipStatus {
        /// Has not accepted yet; no access.
        Invited = "invited",
        /// Has access.
        Active = "active",
        /// Locked out by an admin.
        Suspended = "suspended",
    }
}

/// A membership as its tenant sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Its id: the user's id in the API, what projects name as their owner.
    pub id: MembershipId,
    /// The tenant.
    pub tenant_id: TenantId,
    /// Who it is; `None` while invited.
    pub account_id: Option<AccountId>,
    /// The address, unique in the tenant among those not removed.
    pub email: String,
    /// The person's name in this tenant.
    pub full_name: String,
    /// What the person may do here at most.
    pub role: Role,
    /// The custom role that narrows it, if there is one.
    pub custom_role: Option<CustomRoleName>,
    /// Whether the person may come in.
    pub status: MembershipStatus,
    /// Grows when role or status change; an access token of an older version is refused.
    pub role_version: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl Membership {
    /// The name of the role, built-in or not.
    #[must_use]
    pub fn role_name(&self) -> &str {
        match &self.custom_role {
            Some(name) => name.as_str(),
            None => self.role.as_str(),
        }
    }

    /// Has access, as far as the membership goes.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status == MembershipStatus::Active
    }
}

/// What somebody changes of a membership; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MembershipChanges {
    /// The member's name in this tenant.
    pub full_name: Option<FullName>,
    /// The role.
    pub role: Option<GrantedRole>,
    /// Active or suspended.
    pub status: Option<MembershipStatus>,
}

impl MembershipChanges {
    /// Whether nothing is changed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.full_name.is_none() && self.role.is_none() && self.status.is_none()
    }
}

/// A role as it is given to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantedRole {
    /// The built-in role, or the one that a custom role is based on.
    pub base: Role,
    /// The custom role.
    pub custom: Option<RoleId>,
}

impl From<Role> for GrantedRole {
    fn from(base: Role) -> Self {
        Self { base, custom: None }
    }
}

/// A membership as its account sees it: one of the tenants to choose from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantMembership {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The tenant's slug.
    pub slug: String,
    /// The tenant's name.
    pub name: String,
    /// Whether the tenant is served.
    pub tenant_status: TenantStatus,
    /// The account's membership there.
    pub membership_id: MembershipId,
    /// The account's role there; what a custom one is based on.
    pub role: Role,
    /// The custom role, if the account has one.
    pub custom_role: Option<CustomRights>,
    /// The version of that role, for the access token.
    pub role_version: i32,
    /// Whether the account may come in.
    pub status: MembershipStatus,
}

/// A custom role as its holder has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomRights {
    /// Its name.
    pub name: CustomRoleName,
    /// Its permissions, in words; what a word means is `auth`'s matter.
    pub permissions: Vec<String>,
}

impl TenantMembership {
    /// The name of the role, built-in or not.
    #[must_use]
    pub fn role_name(&self) -> &str {
        match &self.custom_role {
            Some(custom) => custom.name.as_str(),
            None => self.role.as_str(),
        }
    }

    /// A session may stand there: the membership is active, and the tenant is served, or is to be
    /// erased and the account one of its owners, who can bring it back.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let is_served = match self.tenant_status {
            TenantStatus::Active => true,
            TenantStatus::Deleting => self.role == Role::Owner,
            TenantStatus::Suspended => false,
        };
        self.status == MembershipStatus::Active && is_served
    }
}

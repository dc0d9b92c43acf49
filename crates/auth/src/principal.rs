//! Who is asking: what a verified access token says. To hold one is to have verified it.

use domain::{AccountId, Role, SessionId, TenantId};

/// A signed-in account, and the tenant that it stands in. Its rights are as of the token's issue;
/// the database compares session, role and role version at every transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Who.
    pub account: AccountId,
    /// By which sign-in.
    pub session: SessionId,
    /// In which tenant; `None`: in none, good for one's account and for switching.
    pub tenant: Option<TenantClaim>,
}

/// The tenant that a principal stands in, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantClaim {
    /// The tenant.
    pub id: TenantId,
    /// Its slug when the token was issued.
    pub slug: String,
    /// The member's role there.
    pub role: Role,
    /// The version of that role; a later one makes the token stale.
    pub role_version: i32,
}

//! An invitation: a place in a tenant that waits for whoever has an address.

use chrono::{DateTime, Utc};

use crate::words::words;
use crate::{InvitationId, MembershipId, Role};

words! {
    /// What has become of an invitation.
    InvitationStatus {
        /// Its link is good.
        Pending = "pending",
        /// Its place is taken.
        Accepted = "accepted",
        /// It was withdrawn.
        Revoked = "revoked",
        /// Nobody has accepted it in time; it can be sent anew.
        Expired = "expired",
    }
}

/// An invitation as its tenant sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Its id.
    pub id: InvitationId,
    /// The place that waits, a membership without an account.
    pub membership_id: MembershipId,
    /// How many times it was sent.
    pub issue: i32,
    /// Who may accept it.
    pub email: String,
    /// The base role that goes with the place.
    pub role: Role,
    /// The custom role's name, if it has one.
    pub custom_role: Option<String>,
    /// What has become of it.
    pub status: InvitationStatus,
    /// Until when its link is good.
    pub expires_at: DateTime<Utc>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl Invitation {
    /// The role's name, built-in or of the tenant's own making.
    #[must_use]
    pub fn role_name(&self) -> &str {
        self.custom_role.as_deref().unwrap_or(self.role.as_str())
    }
}

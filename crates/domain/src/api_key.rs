//! An API key: what is kept of it. The key itself is known to its holder only.

use chrono::{DateTime, Utc};

use crate::{ApiKeyId, MembershipId};

/// A key as its tenant sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// What it is for.
    pub name: String,
    /// How the key begins.
    pub prefix: String,
    /// What it may do, in words; what a word means is `auth`'s matter.
    pub scopes: Vec<String>,
    /// Who made it: it is good for no longer than that member may do what it may.
    pub created_by: MembershipId,
    /// When it ends; `None`: not by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

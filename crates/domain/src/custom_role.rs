//! A role that a tenant made for itself: a name, and some of what a built-in role may do.

use chrono::{DateTime, Utc};

use crate::{CustomRoleName, Role, RoleId};

/// A custom role as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomRole {
    /// Its id.
    pub id: RoleId,
    /// Its name, unique in the tenant.
    pub name: CustomRoleName,
    /// What it may do at most.
    pub based_on: Role,
    /// Its permissions, in words; what a word means is `auth`'s matter.
    pub permissions: Vec<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

//! An account: one person who signs in. Its password hash never leaves the store.

use chrono::{DateTime, Utc};

use crate::{AccountId, TenantId};

/// An account as the database has it. *Personal* (no home): any number of memberships. *Managed*
/// (made by a tenant's admin): belongs to that tenant alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The login address; unique together with `home_tenant_id`.
    pub email: String,
    /// The person's name.
    pub full_name: String,
    /// Whether mail to the address has been answered.
    pub email_verified: bool,
    /// Whether a second factor is asked for.
    pub mfa_enabled: bool,
    /// The tenant that a managed account belongs to; `None`: personal.
    pub home_tenant_id: Option<TenantId>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

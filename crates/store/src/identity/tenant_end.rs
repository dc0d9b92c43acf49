//! The end of a tenant, where no context can be: its owners, who look at what is to be erased and
//! bring it back, and the erasure itself.

use domain::{Tenant, TenantId, TenantMembership, TenantStatus};

use super::account::Caller;
use super::{IdentityDb, membership_in};
use crate::directory;
use crate::error::Error;

impl IdentityDb {
    /// The tenant in which the caller's session stands and which is to be erased, for its owners.
    ///
    /// # Errors
    /// Those of [`Caller`]; [`tenant_db::Error::TenantDeleting`] for any other member.
    pub async fn find_deleting_tenant(&self, caller: Caller) -> Result<Tenant, Error> {
        self.db
            .run(move |conn| {
                caller.check(conn)?;
                let membership = membership_in(conn, caller.account, caller.tenant)?;
                let owned = membership
                    .filter(TenantMembership::is_open)
                    .ok_or(Error::Database(tenant_db::Error::TenantDeleting))?;
                directory::tenant_of(conn, caller.account, owned.tenant_id)
            })
            .await
    }

    /// Brings back the tenant in which the caller's session stands: all is as it was.
    ///
    /// # Errors
    /// Those of [`Caller`]; [`Error::NotDeleted`]; [`tenant_db::Error::TenantDeleting`] when the
    /// grace is over, [`tenant_db::Error::TenantSuspended`]; [`tenant_db::Error::NotAMember`] and
    /// [`tenant_db::Error::Stale`] for whoever is no owner any more.
    pub async fn restore_tenant(&self, caller: Caller) -> Result<Tenant, Error> {
        self.db
            .run(move |conn| {
                caller.check(conn)?;
                let tenant = caller.tenant.ok_or(Error::NotFound)?;
                if !directory::restore_tenant(conn, caller.account, tenant)? {
                    return Err(Error::NotDeleted);
                }
                directory::tenant_of(conn, caller.account, tenant)
            })
            .await
    }

    /// Erases a tenant whose grace is over, with all that is left of it; its slug is free again.
    /// Sessions of other accounts that stood in it stand in none. `false`: there is no such tenant,
    /// or it can still be restored.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn erase_tenant(&self, tenant: TenantId) -> Result<bool, Error> {
        self.db
            .run(move |conn| directory::erase_tenant(conn, tenant))
            .await
    }
}

/// Why a session may not stand in a tenant of this status.
pub(super) fn closed(status: TenantStatus) -> Error {
    Error::Database(match status {
        TenantStatus::Deleting => tenant_db::Error::TenantDeleting,
        TenantStatus::Active | TenantStatus::Suspended => tenant_db::Error::TenantSuspended,
    })
}

//! The way to a context in which a server counts views: no request has one that may write, and views
//! of many requests are written at once.

use domain::{JobId, TenantId};
use uuid::Uuid;

use super::IdentityDb;
use crate::directory;
use crate::error::Error;

impl IdentityDb {
    /// A running job in each of these tenants, for [`projects::count_views`](crate::projects::count_views)
    /// in its context, once, within so many seconds; it is at its first attempt. Tenants that are not
    /// active get none.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn open_view_counts(
        &self,
        worker: Uuid,
        tenants: Vec<TenantId>,
        lease_seconds: i32,
    ) -> Result<Vec<(TenantId, JobId)>, Error> {
        self.db
            .run(move |conn| directory::open_view_counts(conn, worker, &tenants, lease_seconds))
            .await
    }
}

//! The doors by which a server takes calls of the API to serve, and gives back those that it has
//! not: on a connection of sign-in, never inside a tenant's transaction.

use chrono::NaiveDate;
use diesel::declare_sql_function;
use diesel::prelude::*;
use diesel::sql_types;
use domain::TenantId;

use super::IdentityDb;
use crate::error::Error;
use crate::plan_limits::ByTier;

#[declare_sql_function]
extern "SQL" {
    /// See the migration `plan_limits`.
    #[sql_name = "directory.lease_api_calls"]
    fn lease_api_calls(
        tenant: sql_types::Uuid,
        month: sql_types::Date,
        most: sql_types::Integer,
        limits: sql_types::Array<sql_types::Nullable<sql_types::BigInt>>,
    ) -> Leased;

    /// See the migration `plan_limits`.
    #[sql_name = "directory.return_api_calls"]
    fn return_api_calls(
        tenant: sql_types::Uuid,
        month: sql_types::Date,
        calls: sql_types::Integer,
    ) -> sql_types::Bool;
}

type Leased = sql_types::Record<(
    sql_types::Integer,
    sql_types::Nullable<sql_types::BigInt>,
    sql_types::BigInt,
)>;

/// What came of asking for calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeasedCalls {
    /// How many may be served.
    pub(crate) granted: i32,
    /// How many the tenant may have in the month; `None`: as many as it likes.
    pub(crate) limit: Option<i64>,
    /// How many it had before.
    pub(crate) used: i64,
}

impl IdentityDb {
    /// Takes at most `most` calls of the tenant's in this month. `None`: there is no such tenant.
    pub(crate) async fn lease_api_calls(
        &self,
        tenant: TenantId,
        month: NaiveDate,
        most: i32,
        limits: ByTier,
    ) -> Result<Option<LeasedCalls>, Error> {
        let tenant = tenant.uuid();
        let leased = self.db.ask(move |conn| {
            let asked = lease_api_calls(tenant, month, most, limits.as_slice());
            let leased: Option<(i32, Option<i64>, i64)> =
                diesel::select(asked).get_result(conn).optional()?;
            Ok(leased)
        });
        Ok(leased.await?.map(|(granted, limit, used)| LeasedCalls {
            granted,
            limit,
            used,
        }))
    }

    /// Gives back calls that were leased and not served.
    pub(crate) async fn return_api_calls(
        &self,
        tenant: TenantId,
        month: NaiveDate,
        calls: i32,
    ) -> Result<(), Error> {
        let tenant = tenant.uuid();
        let returned = self.db.ask(move |conn| {
            diesel::select(return_api_calls(tenant, month, calls)).get_result::<bool>(conn)
        });
        // False: the tenant was erased meanwhile.
        returned.await?;
        Ok(())
    }
}

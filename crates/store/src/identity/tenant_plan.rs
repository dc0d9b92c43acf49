//! What a tenant pays for, asked before its transaction: a single statement, and so a single round
//! trip. Whoever asks often asks [`TenantPlans`](crate::TenantPlans).

use diesel::declare_sql_function;
use diesel::prelude::*;
use diesel::sql_types;
use domain::{Features, SubscriptionTier, TenantId, TenantPlan};

use super::IdentityDb;
use crate::error::{Error, unknown_word};

#[declare_sql_function]
extern "SQL" {
    /// The door to a tenant's plan; see the migration `tenant_plans`.
    #[sql_name = "directory.tenant_plan"]
    fn tenant_plan(tenant: sql_types::Uuid) -> Found;
}

/// The columns of `directory.tenant_plan`.
type Found = sql_types::Record<(
    sql_types::Text,
    sql_types::Nullable<sql_types::Integer>,
    sql_types::Nullable<sql_types::Integer>,
    sql_types::Jsonb,
)>;

type Row = (String, Option<i32>, Option<i32>, serde_json::Value);

impl IdentityDb {
    /// The plan of a tenant, as of now.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such tenant.
    pub async fn find_tenant_plan(&self, tenant: TenantId) -> Result<TenantPlan, Error> {
        let id = tenant.uuid();
        let (tier, per_minute, burst, features): Row = self
            .db
            .ask(move |conn| diesel::select(tenant_plan(id)).get_result(conn))
            .await?;
        let tier: SubscriptionTier = tier.parse().map_err(unknown_word)?;
        // The table holds them to be positive.
        let positive = |limit: Option<i32>| limit.and_then(|limit| u32::try_from(limit).ok());
        Ok(TenantPlan {
            tier,
            rate_limit_per_minute: positive(per_minute),
            rate_limit_burst: positive(burst),
            features: Features::new(tier, &features),
        })
    }
}

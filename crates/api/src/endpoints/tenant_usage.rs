//! `/tenant/usage` and `/tenant/features`: what the tenant's plan gives it, and what it has of that.

use actix_web::{HttpResponse, web::Data};
use chrono::{DateTime, Utc};
use domain::{Feature, FeatureSource, PlanResource};
use serde::Serialize;
use store::{end_of, features, month_of, plan_limits};
use utoipa::ToSchema;

use crate::{authenticate::Authorized, error::ApiError, require, services::Services};

/// What the tenant has of what its plan limits.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Usage)]
pub(crate) struct UsageView {
    /// Members, and who is invited while the invitation is good.
    members: CountView,
    /// Projects that are not deleted.
    projects: CountView,
    api_calls: CallsView,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageCount)]
pub(crate) struct CountView {
    #[schema(example = 3)]
    current: i64,
    /// `null`: none. Whoever has more keeps it, and gets no more.
    #[schema(required, example = 10)]
    limit: Option<i64>,
}

/// Requests of this month, by UTC. A server counts up to a hundred ahead, so that `current` may be
/// too high by that for each other server.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageCalls)]
pub(crate) struct CallsView {
    #[schema(example = 8421)]
    current: i64,
    /// `null`: none.
    #[schema(required, example = 100_000)]
    limit: Option<i64>,
    /// When the next month begins.
    resets_at: DateTime<Utc>,
}

/// All features, as a client gets them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FeatureList)]
pub(crate) struct FeaturesView {
    data: Vec<FeatureView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Feature)]
pub(crate) struct FeatureView {
    #[schema(schema_with = crate::openapi::feature)]
    name: Feature,
    enabled: bool,
    /// Whether the tier says so, or an operator for this tenant.
    #[schema(schema_with = crate::openapi::feature_source)]
    source: &'static str,
}

/// What the tenant has of what its plan limits. Does not count as a call.
#[utoipa::path(
    get, path = "/api/v1/tenant/usage", tag = "tenant", operation_id = "get_usage", security(("bearer" = [])),
    responses((status = 200, body = UsageView)),
)]
pub(crate) async fn usage(
    caller: Authorized<require::TenantRead>,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let month = month_of(Utc::now());
    let usage = services
        .tenants
        .read(caller.context(), move |conn| {
            Ok::<_, ApiError>(plan_limits::usage(conn, month)?)
        })
        .await?;
    let unserved = services.api_calls.unserved(caller.tenant().id, month).await;
    let limit = |resource| services.limits.of(resource, usage.tier);
    Ok(HttpResponse::Ok().json(UsageView {
        members: CountView {
            current: usage.members,
            limit: limit(PlanResource::Members),
        },
        projects: CountView {
            current: usage.projects,
            limit: limit(PlanResource::Projects),
        },
        api_calls: CallsView {
            current: usage.api_calls.saturating_sub(unserved).max(0),
            limit: limit(PlanResource::ApiCalls),
            resets_at: end_of(month),
        },
    }))
}

/// What the tenant has, by its tier or by an operator's decision.
#[utoipa::path(
    get, path = "/api/v1/tenant/features", tag = "tenant", operation_id = "list_features", security(("bearer" = [])),
    responses((status = 200, body = FeaturesView)),
)]
pub(crate) async fn features(
    caller: Authorized<require::TenantRead>,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let found = services
        .tenants
        .read(caller.context(), |conn| {
            Ok::<_, ApiError>(features::find(conn)?)
        })
        .await?;
    let view = |&feature: &Feature| FeatureView {
        name: feature,
        enabled: found.has(feature),
        source: match found.source(feature) {
            FeatureSource::Tier => "tier",
            FeatureSource::Tenant => "tenant",
        },
    };
    Ok(HttpResponse::Ok().json(FeaturesView {
        data: Feature::ALL.iter().map(view).collect(),
    }))
}

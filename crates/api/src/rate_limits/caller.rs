//! By tenant, and by user or key: from what a verified credential says, never from a header that
//! selects.

use actix_web::{
    Error, HttpMessage as _, HttpRequest,
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web::Data,
};
use auth::{KeyPrincipal, KeySecret, Principal};
use domain::TenantId;
use rate_limit::{Draw, Limit};

use super::{Bucket, RateLimits, Toll, address, settle};
use crate::{
    authenticate::{bearer_token, verified},
    error::ApiError,
    services::Services,
    state::AppState,
};

/// The tenant whose bucket a refused request wanted to draw from, for the log.
struct RefusedIn(TenantId);

/// The request has drawn.
struct Charged;

/// The tenant that a request was refused in.
pub(crate) fn tenant_of(request: &HttpRequest) -> Option<TenantId> {
    Some(request.extensions().get::<RefusedIn>()?.0)
}

/// Stands around every route, outside of the look-up of keys: a request that is refused here has
/// touched no connection to the database.
pub(crate) async fn charge(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    if let Err(refusal) = check(request.request()).await {
        return Ok(request.error_response(refusal));
    }
    next.call(request).await
}

async fn check(request: &HttpRequest) -> Result<(), ApiError> {
    let (Some(toll), Some(state)) = (Toll::of(request), request.app_data::<Data<AppState>>())
    else {
        return Ok(());
    };
    if !state.rate_limits.settings.enabled {
        return Ok(());
    }
    if toll.is_of_auth {
        address::check_auth(request, state)?;
    }
    let Ok(token) = bearer_token(request) else {
        return Ok(());
    };
    if !toll.is_of_api {
        return Ok(());
    }
    let principal = if KeySecret::is_meant(token) {
        // Nobody's, until it is looked up.
        let key = KeySecret::parse(token).ok();
        let known = key.and_then(|key| state.rate_limits.keys.get(&key));
        known.map(Principal::Key)
    } else {
        verified(request, state, token).map(Principal::User)
    };
    let Some(principal) = principal else {
        return Ok(());
    };
    request.extensions_mut().insert(Charged);
    draw(request, state, toll, &principal).await
}

/// After a key was looked up: remembers whose it is, and draws if that was not known before.
pub(crate) async fn charge_key(
    request: &HttpRequest,
    presented: &KeySecret,
    found: Option<&KeyPrincipal>,
) -> Result<(), ApiError> {
    let (Some(toll), Some(state)) = (Toll::of(request), request.app_data::<Data<AppState>>())
    else {
        return Ok(());
    };
    let limits = &state.rate_limits;
    if !limits.settings.enabled {
        return Ok(());
    }
    let Some(found) = found else {
        limits.keys.forget(presented);
        return Ok(());
    };
    limits.keys.remember(presented, found);
    if request.extensions().contains::<Charged>() {
        return Ok(());
    }
    draw(request, state, toll, &Principal::Key(found.clone())).await
}

/// Draws from the tenant's bucket and from that of who calls, or from neither. Of a caller without a
/// tenant, from the caller's alone, by the smallest tier.
async fn draw(
    request: &HttpRequest,
    state: &AppState,
    toll: &Toll,
    principal: &Principal,
) -> Result<(), ApiError> {
    let limits = &state.rate_limits;
    let limit = match principal.tenant() {
        None => limits.tiers.least(),
        Some(tenant) => tenant_limit(request, limits, tenant.id).await,
    };
    let (family, buckets) = buckets(limits, principal, limit);
    // A bucket may be smaller than what a route costs: then it is all there is.
    let smallest = buckets.iter().map(|bucket| bucket.limit.burst()).min();
    let cost = toll.cost(request.method()).min(smallest.unwrap_or(1));
    let draws: Vec<Draw<'_>> = buckets.iter().map(|bucket| bucket.draw(cost)).collect();
    let decision = limits.callers.draw(&family, &draws).await;
    let settled = settle(request, &buckets, decision);
    if settled.is_err()
        && let Some(tenant) = principal.tenant()
    {
        request.extensions_mut().insert(RefusedIn(tenant.id));
    }
    settled
}

/// Those of a caller, in the family of the tenant.
fn buckets(limits: &RateLimits, principal: &Principal, limit: Limit) -> (String, Vec<Bucket>) {
    let (whose, name) = match principal {
        Principal::User(user) => ("user", format!("user:{}", user.account)),
        Principal::Key(key) => ("key", format!("key:{}", key.key)),
    };
    let own = Bucket {
        policy: whose,
        whose,
        limit: limits.settings.user(limit),
        name,
    };
    match principal.tenant() {
        None => (own.name.clone(), vec![own]),
        Some(tenant) => {
            let all = Bucket {
                policy: "tenant",
                whose: "tenant",
                name: "tenant".to_owned(),
                limit,
            };
            (tenant.id.to_string(), vec![all, own])
        }
    }
}

/// What the tenant's plan says, which is remembered. Where nobody can tell, the least that there is:
/// the caller's own work will say why.
async fn tenant_limit(request: &HttpRequest, limits: &RateLimits, tenant: TenantId) -> Limit {
    let Some(services) = request.app_data::<Data<Services>>() else {
        return limits.tiers.least();
    };
    match services.plans.find(tenant).await {
        Ok(plan) => limits.tiers.limit(&plan),
        Err(error) => {
            log::debug!(error:% = error; "the plan of a tenant is not known: it is limited as the smallest");
            limits.tiers.least()
        }
    }
}

//! Who was refused, and for what: one line in the log, target `denial`, one count,
//! `rowhouse_denials_total{reason}`, and one entry of the trail, which admins of the tenant read and
//! which no rollback takes away. Which refusals are denials says `ApiError::denial`. Never a token, a
//! password, an address of mail (what was tried may be a mistyped password), a body; and for the eyes
//! of a tenant never anything of another than the caller's own.

use actix_web::{HttpMessage as _, HttpRequest, web::Data};
use auth::Principal;
use chrono::Utc;
use domain::TenantSlug;
use store::{
    Moment, Who,
    denials::{Asked, NewDenial},
};
use uuid::Uuid;

use crate::{
    client_address::client_address, error::ApiError, request_id::RequestId, services::Services,
    state::AppState, tenant_selection,
};

const TARGET: &str = "denial";
const COUNTER: &str = "rowhouse_denials_total";

/// Of these an operator wants to know at once: a counter that is not there before its first denial
/// does not rise with it, to Prometheus.
const WATCHED: [&str; 6] = [
    "isolation_violation",
    "tenant_mismatch",
    "refresh_reused",
    "failed_login",
    "too_many_attempts",
    "forbidden",
];

/// Begins to count, from zero.
pub(crate) fn begin_to_count() {
    for reason in WATCHED {
        metrics::counter!(COUNTER, "reason" => reason).increment(0);
    }
}

/// What a valid access token said, for whoever writes about the request after it was answered.
#[derive(Clone, Debug)]
pub(crate) struct Bearing(pub(crate) Principal);

impl Bearing {
    /// Who asked, where that is known.
    pub(crate) fn of(request: &HttpRequest) -> Option<Principal> {
        let extensions = request.extensions();
        let Self(principal) = extensions.get()?;
        Some(principal.clone())
    }
}

/// At which tenant's door somebody stands who has no token yet.
#[derive(Clone, Debug)]
struct Door(TenantSlug);

/// Notes the tenant that a request wants to come into, in case that it is refused.
pub(crate) fn stands_at_door_of(request: &HttpRequest, slug: &TenantSlug) {
    request.extensions_mut().insert(Door(slug.clone()));
}

/// Writes and counts the refusal, if it is a denial. There is no `request` where a middleware
/// refused it on its way.
pub(crate) fn record(error: &ApiError, request_id: &RequestId, request: Option<&HttpRequest>) {
    let Some(reason) = error.denial() else {
        return;
    };
    metrics::counter!(COUNTER, "reason" => reason).increment(1);
    let principal = request.and_then(Bearing::of);
    let tenant = principal.as_ref().and_then(Principal::tenant);
    let (actor_kind, actor_id) = match &principal {
        Some(Principal::User(user)) => ("user", Some(user.account.to_string())),
        Some(Principal::Key(key)) => ("key", Some(key.key.to_string())),
        None => ("stranger", None),
    };
    let route = request.and_then(HttpRequest::match_pattern);
    log::warn!(
        target: TARGET,
        reason,
        status = error.code().status().as_u16(),
        method = request.map_or("", |request| request.method().as_str()),
        route = route.as_deref().unwrap_or("none"),
        request_id = request_id.as_str(),
        actor_kind = actor_kind,
        actor_id = actor_id.as_deref(),
        tenant_id = tenant.map(|tenant| tenant.id.to_string()).as_deref();
        "a request was denied"
    );
    if let Some(request) = request {
        keep(error, reason, request_id, request, principal.as_ref());
    }
}

/// Leaves the refusal in the trail.
fn keep(
    error: &ApiError,
    reason: &'static str,
    request_id: &RequestId,
    request: &HttpRequest,
    principal: Option<&Principal>,
) {
    let services = request.app_data::<Data<Services>>();
    let state = request.app_data::<Data<AppState>>();
    let (Some(services), Some(state)) = (services, state) else {
        return;
    };
    let (who, tenant_id) = match error {
        // Whoever has the token is not known, only whose it was.
        ApiError::RefreshReused { account, tenant } => (Who::User(account.uuid()), *tenant),
        _ => (
            who(principal),
            principal.and_then(|known| Some(known.tenant()?.id)),
        ),
    };
    let door = || Some(request.extensions().get::<Door>()?.0.clone());
    let base_domain = state.settings.base_domain.as_deref();
    let selected = match error {
        ApiError::TenantMismatch => tenant_selection::selected(request, base_domain),
        _ => None,
    };
    services.trail.deny(NewDenial {
        moment: Moment::new(Utc::now()),
        tenant_id,
        slug: if tenant_id.is_none() { door() } else { None },
        asked: asked(request, request_id, state, who),
        reason,
        status: error.code().status().as_u16(),
        reaches_across: matches!(
            error,
            ApiError::TenantMismatch | ApiError::NotAMember | ApiError::Internal(_)
        ),
        selected,
    });
}

/// Who asks, as trails say it.
pub(crate) fn who(principal: Option<&Principal>) -> Who {
    match principal {
        Some(Principal::User(user)) => Who::User(user.account.uuid()),
        Some(Principal::Key(key)) => Who::Key(key.key.uuid()),
        None => Who::Stranger,
    }
}

/// What is asked, as trails say it: the route, and of the path the id alone.
pub(crate) fn asked(
    request: &HttpRequest,
    request_id: &RequestId,
    state: &AppState,
    who: Who,
) -> Asked {
    let pattern = request.match_pattern();
    let id = request.match_info().get("id");
    let id = id.and_then(|id| Uuid::try_parse(id).ok());
    let kind = pattern
        .as_deref()
        .and_then(|pattern| pattern.split_once("/{id}"))
        .and_then(|(list, _)| list.rsplit('/').next())
        .filter(|_| id.is_some());
    Asked {
        who,
        object_type: kind.map(ToOwned::to_owned),
        object_id: id.filter(|_| kind.is_some()),
        // A route has a method of its own; what a client made up instead is of any length.
        route: pattern.map(|pattern| {
            let method: String = request.method().as_str().chars().take(16).collect();
            format!("{method} {pattern}")
        }),
        request_id: request_id.as_str().to_owned(),
        address: client_address(request, &state.settings.trusted_proxies),
    }
}

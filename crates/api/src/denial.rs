//! Who was refused, and for what: one line in the log, target `denial`, and one count,
//! `rowhouse_denials_total{reason}`. Which refusals are denials says `ApiError::denial`. Never a
//! token, an address of mail, a body, or anything of another tenant than the caller's own.

use actix_web::{HttpMessage as _, HttpRequest};
use auth::Principal;

use crate::{error::ApiError, request_id::RequestId};

const TARGET: &str = "denial";
const COUNTER: &str = "rowhouse_denials_total";

/// What a valid access token said, for whoever writes about the request after it was answered.
#[derive(Clone, Debug)]
pub(crate) struct Bearing(pub(crate) Principal);

/// Writes and counts the refusal, if it is a denial. There is no `request` where a middleware
/// refused it on its way.
pub(crate) fn record(error: &ApiError, request_id: &RequestId, request: Option<&HttpRequest>) {
    let Some(reason) = error.denial() else {
        return;
    };
    metrics::counter!(COUNTER, "reason" => reason).increment(1);
    let bearing = request.and_then(|request| request.extensions().get::<Bearing>().cloned());
    let principal = bearing.map(|bearing| bearing.0);
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
}

//! API keys: whom a presented one speaks for. Asked once, before any parameter of a handler is read,
//! so that the caller is checked first whatever else is wrong with a request.

use actix_web::{
    Error, HttpMessage as _, HttpRequest,
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
};
use auth::{KeyPrincipal, KeySecret};
use chrono::Utc;

use crate::{
    aliases::Successor, authenticate::bearer_token, error::ApiError, rate_limits::charge_key,
    services::Services,
};

/// What the key of this request stands for; `None` for one that is not good.
pub(crate) struct PresentedKey(Option<KeyPrincipal>);

impl PresentedKey {
    pub(crate) fn of(request: &HttpRequest) -> Option<KeyPrincipal> {
        let extensions = request.extensions();
        extensions.get::<Self>()?.0.clone()
    }
}

/// Stands around every route. Costs a round trip where a key is shown to a route of the API, and
/// nothing elsewhere.
pub(crate) async fn look_up(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    match find(request.request()).await {
        Ok(Some(key)) => drop(request.extensions_mut().insert(key)),
        Ok(None) => {}
        Err(error) => return Ok(request.error_response(error)),
    }
    next.call(request).await
}

async fn find(request: &HttpRequest) -> Result<Option<PresentedKey>, ApiError> {
    let is_of_api = |route: String| route.starts_with("/api/");
    let is_ours =
        Successor::of(request).is_some() || request.match_pattern().is_some_and(is_of_api);
    let Ok(token) = bearer_token(request) else {
        return Ok(None);
    };
    if !is_ours || !KeySecret::is_meant(token) {
        return Ok(None);
    }
    let services = Services::of(request)?;
    // For what is malformed nobody's key is looked up: a refusal shall not tell by its time why.
    let presented = KeySecret::parse(token).unwrap_or_else(|_| KeySecret::generate());
    let found = services.identity.find_key(&presented, Utc::now()).await?;
    charge_key(request, &presented, found.as_ref()).await?;
    Ok(Some(PresentedKey(found)))
}

//! What is asked of a request before anything else: that its head is no larger than it should be, that
//! it is for a host of ours, and came by HTTPS where that is required. Of the latter two health is
//! exempt, as a load balancer asks by address and in plain.

use actix_web::{
    Error, HttpRequest,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
};

use crate::{
    error::ApiError, head_limits, host::host, scheme::is_https, settings::ServerSettings,
    state::AppState,
};

/// The middleware inside of `frame`.
pub(crate) async fn gate<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Err(refusal) = check(request.request()) {
        return Ok(request.error_response(refusal));
    }
    next.call(request)
        .await
        .map(ServiceResponse::map_into_boxed_body)
}

fn check(request: &HttpRequest) -> Result<(), ApiError> {
    let state = AppState::of(request)?;
    head_limits::check(request)?;
    let path = request.path();
    if path == "/health" || path.starts_with("/health/") {
        return Ok(());
    }
    let settings = &state.settings;
    if !is_trusted(request, settings) {
        return Err(ApiError::UnknownHost);
    }
    // Never a redirect: the token would have crossed the net in the clear, and go on doing so.
    if settings.require_https && !is_https(request, &settings.trusted_proxies) {
        return Err(ApiError::HttpsRequired);
    }
    Ok(())
}

fn is_trusted(request: &HttpRequest, settings: &ServerSettings) -> bool {
    let patterns = &settings.trusted_hosts;
    patterns.is_empty()
        || host(request).is_some_and(|host| patterns.iter().any(|pattern| pattern.matches(host)))
}

//! One line per request. Never a token, an address of mail, a query or a body: of the path only the
//! route's pattern.

use actix_web::{body::MessageBody, dev::ServiceResponse};
use std::time::Instant;

use crate::{authenticate::tenant_of, rate_limits, request_id::RequestId};

const TARGET: &str = "api::access";

/// Writes the line of a request that came in at `started`, up to here.
pub(crate) fn write<B: MessageBody>(response: &ServiceResponse<B>, started: Instant) {
    if !log::log_enabled!(target: TARGET, log::Level::Info) {
        return;
    }
    let request = response.request();
    let tenant = tenant_of(request).or_else(|| rate_limits::tenant_of(request));
    let tenant_id = tenant.map(|tenant| tenant.to_string());
    let route = request.match_pattern();
    let duration_ms = (started.elapsed().as_secs_f64() * 1_000_000.0).round() / 1000.0;
    log::info!(
        target: TARGET,
        method = request.method().as_str(),
        route = route.as_deref().unwrap_or("none"),
        status = response.status().as_u16(),
        duration_ms,
        request_id = RequestId::of(request).as_str(),
        tenant_id = tenant_id.as_deref();
        "a request was answered"
    );
}

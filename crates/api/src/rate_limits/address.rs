//! By address, in this process alone: before anything is asked of anybody.

use std::net::IpAddr;

use actix_web::{
    Error, HttpRequest,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web::Data,
};

use super::{Bucket, RateLimits, settle};
use crate::{client_address::client_address, error::ApiError, state::AppState};

/// Bits of an IPv6 address that one customer of a provider has to themselves (RFC 6177).
const SITE_BITS: u32 = 64;
const ADDRESS: &str = "address";

/// The middleware inside of CORS, so that a page can read a refusal.
pub(crate) async fn limit_address<B: MessageBody + 'static>(
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
    let state = request
        .app_data::<Data<AppState>>()
        .ok_or_else(|| ApiError::internal("the app has no AppState"))?;
    if is_free(request.path()) {
        return Ok(());
    }
    let limit = state.rate_limits.settings.address();
    draw(request, state, "address", limit)
}

/// Draws from the stricter bucket of those routes by which somebody gets in.
pub(super) fn check_auth(request: &HttpRequest, state: &AppState) -> Result<(), ApiError> {
    let limit = state.rate_limits.settings.auth();
    draw(request, state, "auth", limit)
}

fn draw(
    request: &HttpRequest,
    state: &AppState,
    family: &'static str,
    limit: rate_limit::Limit,
) -> Result<(), ApiError> {
    let limits: &RateLimits = &state.rate_limits;
    let address = client_address(request, &state.settings.trusted_proxies);
    if limits.exempts(address) {
        return Ok(());
    }
    let buckets = [Bucket {
        policy: family,
        whose: ADDRESS,
        name: site(address).to_string(),
        limit,
    }];
    let decision = limits
        .addresses
        .draw(family, &buckets.each_ref().map(|it| it.draw(1)));
    settle(request, &buckets, Ok(decision))
}

/// Load balancers and scrapers come often, and cost nothing.
fn is_free(path: &str) -> bool {
    path == "/health" || path.starts_with("/health/") || path == "/metrics"
}

/// Whoever has one IPv6 address has 18 quintillion.
fn site(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let mask = u128::MAX << (u128::BITS - SITE_BITS);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_address() {
        let site = |text: &str| site(text.parse().unwrap()).to_string();
        assert_eq!(site("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(site("2001:db8:1:3::1"), "2001:db8:1:3::");
        assert_eq!(site("198.51.100.7"), "198.51.100.7");
    }
}

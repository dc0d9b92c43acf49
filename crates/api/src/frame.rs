//! What surrounds every request, in its order: request id, the work, problem document, headers, log
//! line.

use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::header::HeaderMap,
    middleware::Next,
    web::Data,
};
use futures_util::FutureExt as _;
use std::{panic::AssertUnwindSafe, time::Instant};

use crate::{
    access_log, aliases::Successor, cors, denial, error::ApiError, problem, rate_limits,
    request_id::RequestId, scheme::is_https, security_headers, sensitive, state::AppState,
    unread_body, vary,
};

/// The outermost middleware.
///
/// A middleware inside of it refuses with `Ok(request.error_response(error))`: with an `Err` the
/// request is lost, and the response goes without its log line, and without what the middlewares
/// in between would have written.
pub(crate) async fn frame<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let method = request.method().clone();
    let request_id = RequestId::of(request.request());
    let hsts = hsts_max_age(&request);
    let body = unread_body::hold(&mut request);
    let add_headers = |headers: &mut HeaderMap| {
        request_id.write(headers);
        security_headers::write(&method, hsts, headers);
        vary::write(headers);
        cors::expose(headers);
    };
    // A panic is ours to answer for: without this the client would find the connection closed.
    let answered = AssertUnwindSafe(next.call(request)).catch_unwind().await;
    let answered =
        answered.unwrap_or_else(|_| Err(ApiError::internal("a middleware panicked").into()));
    match answered {
        Ok(response) => {
            let mut response = response.map_into_boxed_body();
            if let Some(error) = response.response().error() {
                if let Some(error) = error.as_error::<ApiError>() {
                    denial::record(error, &request_id, Some(response.request()));
                }
                let mut problem = problem::response(error, &request_id);
                keep(response.headers(), problem.headers_mut());
                response = response.into_response(problem);
            } else {
                sensitive::record(&response, &request_id);
            }
            add_headers(response.headers_mut());
            let request = response.request().clone();
            rate_limits::write(&request, response.headers_mut());
            if let Some(successor) = Successor::of(&request) {
                successor.write(response.headers_mut());
            }
            access_log::write(&response, started);
            Ok(match body {
                Some(body) => body.until_sent(response),
                None => response,
            })
        }
        Err(error) => {
            if let Some(error) = error.as_error::<ApiError>() {
                denial::record(error, &request_id, None);
            }
            let mut response = problem::response(&error, &request_id);
            add_headers(response.headers_mut());
            Err(InternalError::from_response(error, response).into())
        }
    }
}

/// What middlewares have written onto a refusal is not the refusal's own, and stays.
fn keep(refusal: &HeaderMap, problem: &mut HeaderMap) {
    let missing: Vec<_> = refusal
        .iter()
        .filter(|(name, _)| !problem.contains_key(*name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for (name, value) in missing {
        problem.append(name, value);
    }
}

/// Of a client that came by HTTPS: any other must not be told (RFC 6797, 7.2).
fn hsts_max_age(request: &ServiceRequest) -> Option<u32> {
    let settings = &request.app_data::<Data<AppState>>()?.settings;
    let max_age = settings.hsts_max_age_seconds;
    let by_https = || is_https(request.request(), &settings.trusted_proxies);
    (max_age > 0 && by_https()).then_some(max_age)
}

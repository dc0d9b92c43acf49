//! What surrounds every request, in its order: request id, the work, problem document, headers, log
//! line.

use actix_web::{
    Error,
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::header::HeaderMap,
    middleware::Next,
};
use futures_util::FutureExt as _;
use std::{panic::AssertUnwindSafe, time::Instant};

use crate::{
    access_log, denial, error::ApiError, problem, request_id::RequestId, security_headers,
};

/// The outermost middleware.
///
/// A middleware inside of it refuses with `Ok(request.error_response(error))`: with an `Err` the
/// request is lost, and the response goes without its log line.
pub(crate) async fn frame(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    let started = Instant::now();
    let method = request.method().clone();
    let request_id = RequestId::of(request.request());
    let add_headers = |headers: &mut HeaderMap| {
        request_id.write(headers);
        security_headers::write(&method, headers);
    };
    // A panic is ours to answer for: without this the client would find the connection closed.
    let answered = AssertUnwindSafe(next.call(request)).catch_unwind().await;
    let answered =
        answered.unwrap_or_else(|_| Err(ApiError::internal("a handler panicked").into()));
    match answered {
        Ok(mut response) => {
            if let Some(error) = response.response().error() {
                if let Some(error) = error.as_error::<ApiError>() {
                    denial::record(error, &request_id, Some(response.request()));
                }
                let problem = problem::response(error, &request_id);
                response = response.into_response(problem);
            }
            add_headers(response.headers_mut());
            access_log::write(&response, started);
            Ok(response)
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

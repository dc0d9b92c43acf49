//! How long a request may take, and what becomes of one that fails in the middle: both end in an
//! answer like any other, with its log line and all that middlewares write.

use actix_web::{
    Error, HttpRequest,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    rt::time::timeout,
    web::Data,
};
use futures_util::FutureExt as _;
use std::{panic::AssertUnwindSafe, time::Duration};

use crate::{error::ApiError, state::AppState};

/// Stands around a route, inside of all that does not know routes yet: from here on the request
/// may be shared, and so it outlives the work that is cut.
///
/// What is cut is dropped. A transaction that has not begun never does; one under way goes on by
/// itself, and ends whole: done, or cut by the statement timeout and rolled back.
pub(crate) async fn limit<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let shared = request.request().clone();
    let work = AssertUnwindSafe(next.call(request)).catch_unwind();
    let error = match timeout(time_for(&shared), work).await {
        Ok(Ok(Ok(response))) => return Ok(response.map_into_boxed_body()),
        Ok(Ok(Err(error))) => error,
        Ok(Err(_)) => ApiError::internal("a handler panicked").into(),
        Err(_) => ApiError::DeadlineExceeded.into(),
    };
    Ok(ServiceResponse::from_err(error, shared))
}

/// Without settings the work itself refuses, at once.
fn time_for(request: &HttpRequest) -> Duration {
    let state = request.app_data::<Data<AppState>>();
    state.map_or(Duration::MAX, |state| state.settings.request_timeout())
}

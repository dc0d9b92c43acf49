//! Counts what a tenant asks of the API against its plan, once its caller is known and before
//! anything is done.

use actix_web::{
    Error, HttpRequest,
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web::Data,
};
use chrono::Utc;

use crate::{authenticate, error::ApiError, services::Services};

/// Stands around every route, and does nothing where calls do not count. Who is refused later, for whatever reason, has called
/// all the same; who is nobody is told so by the handler, and is nobody's call.
pub(crate) async fn count(
    request: ServiceRequest,
    next: Next<BoxBody>,
    is_counted: bool,
) -> Result<ServiceResponse, Error> {
    if !is_counted {
        return next.call(request).await;
    }
    match of(request.request()).await {
        Ok(()) => next.call(request).await,
        Err(refusal) => Ok(request.error_response(refusal)),
    }
}

async fn of(request: &HttpRequest) -> Result<(), ApiError> {
    // A table of routes without services has no plans either.
    let Some(services) = request.app_data::<Data<Services>>() else {
        return Ok(());
    };
    match authenticate::verified_tenant(request) {
        Some(tenant) => Ok(services.api_calls.count(tenant, Utc::now()).await?),
        None => Ok(()),
    }
}

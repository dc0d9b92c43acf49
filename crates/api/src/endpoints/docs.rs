//! `/openapi.json` and `/docs`: the description of the API, and a page to try it with. Its files
//! are part of the binary, and the page loads nothing from elsewhere.

use std::sync::{Arc, LazyLock};

use actix_web::{
    HttpResponse,
    http::header,
    web::{Json, Path},
};
use serde::Serialize;
use utoipa_swagger_ui::Config;

use crate::{error::ApiError, error_code::ErrorCode, openapi};

/// Swagger UI styles its elements in place and shows images from `data:`; nothing else is let in.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

static DOCUMENT: LazyLock<Result<String, serde_json::Error>> =
    LazyLock::new(|| openapi::document().to_pretty_json());

static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    Arc::new(
        Config::from("/openapi.json")
            .try_it_out_enabled(true)
            .persist_authorization(false),
    )
});

/// `GET /docs/errors/{code}`: what a problem's `type` leads to.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorView {
    code: &'static str,
    status: u16,
    title: &'static str,
    meaning: &'static str,
}

pub(crate) async fn document() -> Result<HttpResponse, ApiError> {
    let text = DOCUMENT
        .as_ref()
        .map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(text.as_str()))
}

/// The page's own links are relative to a folder.
pub(crate) async fn redirect() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, "/docs/"))
        .finish()
}

pub(crate) async fn page(file: Path<String>) -> Result<HttpResponse, ApiError> {
    let file = utoipa_swagger_ui::serve(&file, Arc::clone(&CONFIG))
        .map_err(|error| ApiError::internal(error.to_string()))?
        .ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok()
        .content_type(file.content_type)
        .insert_header((header::CONTENT_SECURITY_POLICY, CSP))
        .body(file.bytes.into_owned()))
}

pub(crate) async fn error(code: Path<String>) -> Result<Json<ErrorView>, ApiError> {
    let code = ErrorCode::ALL
        .iter()
        .find(|known| known.as_str() == code.as_str())
        .ok_or(ApiError::NotFound)?;
    Ok(Json(ErrorView {
        code: code.as_str(),
        status: code.status().as_u16(),
        title: code.title(),
        meaning: code.meaning(),
    }))
}

//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): a `POST` that is sent again is
//! answered again, and does nothing again. The key is taken and the answer kept in the transaction of
//! what it answers, so the one is there if, and only if, the other is. Kept for a day, for the same
//! caller in the same tenant. A refusal is not kept: what was refused may be tried again.
//!
//! Who may is asked before, of every request. Routes that answer a secret refuse the header; other
//! methods than `POST` do not heed it, as they can be repeated anyway.

use actix_web::{
    Error, FromRequest, HttpRequest, HttpResponse, Responder,
    body::BoxBody,
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{StatusCode, header},
    middleware::Next,
    web::Bytes,
};
use auth::Fingerprints;
use domain::{IdempotencyKey, IdempotencyKeyError};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    future::{Future, Ready, ready},
    pin::Pin,
};
use store::idempotency_keys::{self, Claim, KeptAnswer};
use tenant_db::TenantConn;

use crate::{
    authenticate::Authorized, error::ApiError, etag::Versioned, extract::Body, services::Services,
};

const HEADER: &str = "idempotency-key";
const REPLAYED: &str = "idempotency-replayed";

/// What the request of a `POST` without a body is known by, if it has a key. The one way to do
/// something at most once: [`run`](Self::run).
///
/// # Errors
/// 400 `invalid_idempotency_key`.
#[derive(Debug)]
pub(crate) struct Once(Option<Asked>);

/// As [`Once`], for a `POST` with a body: two bodies are the same when they are the same JSON.
///
/// # Errors
/// Those of [`Once`] and of [`Body`].
#[derive(Debug)]
pub(crate) struct OnceBody<T>(pub(crate) T, pub(crate) Once);

#[derive(Debug)]
struct Asked {
    key: IdempotencyKey,
    request: Fingerprints,
}

/// An answer that may have been given before.
#[derive(Debug)]
pub(crate) enum Answer<V> {
    /// To a request without a key.
    Fresh(Versioned<V>),
    /// To the first request with a key.
    First(KeptAnswer),
    /// To every other one.
    Replayed(KeptAnswer),
}

impl Once {
    /// Does the work in one transaction in the caller's context, unless it was done before.
    ///
    /// # Errors
    /// Those of the work; 409 `idempotency_key_in_use`, 422 `idempotency_key_reused`.
    pub(crate) async fn run<P, V>(
        self,
        services: &Services,
        caller: &Authorized<P>,
        work: impl for<'t> FnOnce(&mut TenantConn<'t>) -> Result<Versioned<V>, ApiError>
        + Send
        + 'static,
    ) -> Result<Answer<V>, ApiError>
    where
        V: Serialize + Send + 'static,
    {
        let context = caller.context();
        let Some(Asked { key, request }) = self.0 else {
            return services.tenants.run(context, work).await.map(Answer::Fresh);
        };
        services
            .tenants
            .run(context, move |conn| {
                match idempotency_keys::claim(conn, &key, &request)? {
                    Claim::New => {}
                    Claim::Running => return Err(ApiError::IdempotencyKeyInUse),
                    Claim::OtherRequest => return Err(ApiError::IdempotencyKeyReused),
                    Claim::Answered(answer) => return Ok(Answer::Replayed(answer)),
                }
                let answer = work(conn)?.keep()?;
                idempotency_keys::insert(conn, &key, &request, &answer)?;
                Ok(Answer::First(answer))
            })
            .await
    }

    fn of(request: &HttpRequest, body: Option<&[u8]>) -> Result<Self, ApiError> {
        let Some(key) = key_of(request)? else {
            return Ok(Self(None));
        };
        let services = Services::of(request)?;
        let body = body.map(canonical);
        // The condition belongs to the request: with another one it is another request.
        let conditions = request.headers().get_all(header::IF_MATCH);
        let mut parts = vec![
            request.method().as_str().as_bytes(),
            request.uri().path().as_bytes(),
            request.query_string().as_bytes(),
            body.as_deref().unwrap_or_default(),
        ];
        parts.extend(conditions.map(header::HeaderValue::as_bytes));
        let request = services.fingerprint_key.of(&parts);
        Ok(Self(Some(Asked { key, request })))
    }
}

/// The middleware of every `POST` that takes no key: whoever sends one is told so before anything
/// is done.
pub(crate) async fn refuse(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    if request.headers().contains_key(HEADER) {
        return Ok(request.error_response(ApiError::IdempotencyKeyNotAllowed));
    }
    next.call(request).await
}

pub(crate) fn key_of(request: &HttpRequest) -> Result<Option<IdempotencyKey>, ApiError> {
    let mut values = request.headers().get_all(HEADER);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(ApiError::InvalidIdempotencyKey(
            "stands twice in the request".to_owned(),
        ));
    }
    let key = match value.to_str() {
        Ok(text) => IdempotencyKey::parse(text),
        Err(_) => Err(IdempotencyKeyError::Characters),
    };
    let refused = |error: IdempotencyKeyError| ApiError::InvalidIdempotencyKey(error.to_string());
    key.map(Some).map_err(refused)
}

/// JSON without white space and with its keys in order.
fn canonical(body: &[u8]) -> Vec<u8> {
    match serde_json::from_slice::<Value>(body) {
        Ok(mut value) => {
            value.sort_all_objects();
            value.to_string().into_bytes()
        }
        // What is no JSON never came this far; it would be the same as itself only.
        Err(_) => body.to_vec(),
    }
}

impl FromRequest for Once {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request, None))
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for OnceBody<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if let Err(error) = key_of(request) {
            return Box::pin(ready(Err(error)));
        }
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let (Body(body), text): (_, Bytes) = Body::with_text(request.clone(), payload).await?;
            Ok(Self(body, Once::of(&request, Some(&text))?))
        })
    }
}

impl<V: Serialize> Responder for Answer<V> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        match self {
            Self::Fresh(answer) => answer.respond_to(request),
            Self::First(answer) => respond(answer, false),
            Self::Replayed(answer) => respond(answer, true),
        }
    }
}

fn respond(answer: KeptAnswer, is_replayed: bool) -> HttpResponse {
    let Ok(status) = StatusCode::from_u16(answer.status) else {
        let error = ApiError::internal("an answer was kept with a status that is none");
        return HttpResponse::from_error(error);
    };
    let mut response = HttpResponse::build(status);
    response.content_type(header::ContentType::json());
    if let Some(tag) = answer.etag {
        response.insert_header((header::ETAG, tag));
    }
    if let Some(location) = answer.location {
        response.insert_header((header::LOCATION, location));
    }
    if is_replayed {
        response.insert_header((REPLAYED, "true"));
    }
    response.body(answer.body)
}

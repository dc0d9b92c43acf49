//! `/.well-known/jwks.json`: what others verify our access tokens with.

use actix_web::{HttpResponse, http::header, web::Data};
use utoipa::ToSchema;

use crate::state::AppState;

/// How long a reader may keep the set, in seconds. A new key has to be listed for this long before
/// it signs.
const CACHE_CONTROL: &str = "public, max-age=300";

/// A JWK Set (RFC 7517, 5).
#[derive(ToSchema)]
#[schema(as = JwkSet)]
#[expect(dead_code, reason = "describes what auth writes")]
struct JwkSetView {
    keys: Vec<JwkView>,
}

/// An Ed25519 public key (RFC 8037).
#[derive(ToSchema)]
#[schema(as = Jwk)]
#[expect(dead_code, reason = "describes what auth writes")]
struct JwkView {
    #[schema(example = "OKP")]
    kty: String,
    #[schema(example = "Ed25519")]
    crv: String,
    #[schema(example = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")]
    x: String,
    #[schema(example = "bdeeed012aea6f4e")]
    kid: String,
    #[schema(example = "EdDSA")]
    alg: String,
    #[schema(example = "sig")]
    r#use: String,
}

/// The public keys of access tokens, where they are signed by EdDSA; an empty set under HS256,
/// whose keys are secret.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "auth", operation_id = "jwks",
    responses((status = 200, body = JwkSetView)),
)]
pub(crate) async fn find(state: Data<AppState>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, CACHE_CONTROL))
        .json(state.access_tokens.public_keys())
}

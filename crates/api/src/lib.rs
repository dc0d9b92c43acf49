//! The REST API over HTTP: the only crate that knows actix-web.
//!
//! The problem: whatever a stranger sends, the answer must be the documented one, and no handler may
//! forget to ask who is calling. So a handler's signature is its contract (the caller and what it
//! must be permitted, then path, query, body), every refusal is an [`ApiError`], and the body has
//! three beats: wire to domain, one transaction, domain to view.
//!
//! ```no_run
//! use api::{AppState, Claim, CorsSettings, CursorKey, RateLimits, Server, ServerSettings, Services};
//! use auth::{AccessTokenSettings, AccessTokens, SigningKey};
//!
//! # async fn serve(services: Services) -> Result<(), Box<dyn std::error::Error>> {
//! let secret = "at least 32 bytes, better random";
//! let settings = ServerSettings::default();
//! let claim = Claim::of(settings.address())?;
//! let server = Server::listen(claim, AppState {
//!     access_tokens: AccessTokens::new(AccessTokenSettings {
//!         keys: vec![SigningKey { kid: "1".into(), secret: secret.into() }],
//!         ..AccessTokenSettings::default()
//!     })?,
//!     cursor_key: CursorKey::derive(secret.as_bytes()),
//!     cors: CorsSettings::default(),
//!     settings,
//!     rate_limits: RateLimits::off(),
//! }, services)?;
//! println!("listening on {:?}", server.addresses());
//! server.run().await?;
//! # Ok(())
//! # }
//! ```
//!
//! What deliberately does not live here: SQL, rules of the business, and whether a role may do
//! something (`auth`).
//!
//! **To add an endpoint:** a file in `endpoints/` named after its noun, with its wire types
//! (`#[serde(deny_unknown_fields)]`, a `TryFrom` with [`Validation`]), its views and one free
//! function per method, whose first parameter is [`Authorized`]; a line in `routes.rs`. A new way to
//! fail is a row in `error_code.rs` and a variant of [`ApiError`].

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod access_log;
mod aliases;
mod api_calls;
mod authenticate;
mod captcha;
mod claim;
mod client_address;
mod condition;
mod cors;
mod cursor;
mod deadline;
mod denial;
mod endpoints;
mod error;
mod error_code;
pub mod etag;
mod exports;
pub mod extract;
mod frame;
mod gate;
mod grant;
mod head_limits;
mod host;
#[cfg(test)]
mod hostile;
mod idempotency;
mod list;
mod metrics_server;
pub mod openapi;
mod patchable;
mod permission_list;
mod presented_key;
mod problem;
mod rate_limits;
mod request_id;
pub mod require;
pub mod routes;
mod scheme;
mod second_factor_code;
mod security_headers;
mod sensitive;
mod server;
mod services;
mod settings;
mod sign_in;
mod state;
mod tenant_selection;
mod unread_body;
mod validation;
mod vary;

pub use authenticate::{Authenticated, Authorized, Bearer};
pub use captcha::{Captcha, CaptchaError};
pub use claim::Claim;
pub use client_address::{Network, NotANetwork};
pub use cors::{AllowedOrigin, CorsSettings, NotAnOrigin};
pub use cursor::CursorKey;
pub use error::{ApiError, FieldError, FieldErrorCode};
pub use error_code::ErrorCode;
pub use exports::Exports;
pub use host::{HostPattern, NotAHostPattern};
pub use list::{List, ListQuery, Page};
pub use metrics_server::MetricsServer;
pub use patchable::Patchable;
pub use rate_limits::{RateLimitSettings, RateLimits, TierSettings, TiersSettings};
pub use request_id::RequestId;
pub use server::Server;
pub use services::Services;
pub use settings::{ServerSettings, TenantsSettings};
pub use state::AppState;
pub use validation::Validation;

//! Who somebody is, and what they may do: principals and their permissions, access and refresh
//! tokens, passwords.
//!
//! The problem: a token must be checked without a query, a password must be checked without
//! stopping everybody else, and neither may be believed by halves. [`AccessTokens`] turns a
//! [`Principal`] into a signed text and back; [`PasswordThreads`] runs bcrypt on threads of its own
//! with a bounded queue; [`Permission`] is the one table of who may do what.
//!
//! ```
//! use auth::{AccessTokens, AccessTokenSettings, Permission, Principal, SigningKey};
//! use domain::{AccountId, Role, SessionId};
//!
//! let tokens = AccessTokens::new(AccessTokenSettings {
//!     keys: vec![SigningKey { kid: "1".into(), secret: "at least 32 bytes, better random".into() }],
//!     ..AccessTokenSettings::default()
//! })?;
//! let principal = Principal {
//!     account: AccountId::generate(),
//!     session: SessionId::generate(),
//!     tenant: None,
//! };
//! let now = chrono::Utc::now();
//! let token = tokens.issue(&principal, now)?;
//! assert_eq!(tokens.verify(&token, now), Ok(principal));
//!
//! assert!(auth::role_permits(Role::Member, Permission::ProjectsWrite));
//! # Ok::<(), auth::AuthError>(())
//! ```
//!
//! What deliberately does not live here: the database (which compares role and session once more,
//! whatever a token says) and HTTP.
//!
//! **To add a permission:** a variant, its word and its weakest role in `permission.rs`. Nothing
//! else knows which role may do what.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod access_token;
mod bounded_threads;
mod error;
mod mail_token;
mod password;
mod password_threads;
mod permission;
mod principal;
mod refresh_token;
mod rotation;
mod settings;

pub use access_token::{AccessTokenSettings, AccessTokens, SigningKey};
pub use error::{
    AuthError, HashingError, InvalidMailToken, InvalidRefreshToken, InvalidToken, PasswordError,
};
pub use mail_token::{MailKey, MailPurpose, MailToken, MailTokenHash};
pub use password::{Password, PasswordHash};
pub use password_threads::{PasswordSettings, PasswordThreads};
pub use permission::{Permission, permissions_of, role_permits};
pub use principal::{Principal, TenantClaim};
pub use refresh_token::{RefreshKey, RefreshToken, RefreshTokenHash};
pub use rotation::{Presentation, StoredRefreshToken};
pub use settings::AuthSettings;

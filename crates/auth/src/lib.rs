//! Who somebody is, and what they may do: principals and their permissions, access and refresh
//! tokens, passwords.
//!
//! The problem: a token must be checked without a query, a password must be checked without
//! stopping everybody else, and neither may be believed by halves. [`AccessTokens`] turns a
//! [`UserPrincipal`] into a signed text and back; [`KeySecret`] is what a program shows instead; [`PasswordThreads`] runs bcrypt on threads of its own
//! with a bounded queue; [`Permission`] is the one table of who may do what.
//!
//! ```
//! use auth::{AccessTokens, AccessTokenSettings, Permission, SigningKey, UserPrincipal};
//! use domain::{AccountId, Role, SessionId};
//!
//! let tokens = AccessTokens::new(AccessTokenSettings {
//!     keys: vec![SigningKey { kid: "1".into(), secret: "at least 32 bytes, better random".into() }],
//!     ..AccessTokenSettings::default()
//! })?;
//! let principal = UserPrincipal {
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
//! **To add a permission:** a variant, its word and its weakest role in `permission.rs`, and whether
//! an API key may have it. Nothing else knows which role may do what.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod access_token;
mod bounded_threads;
mod checkpoint_key;
mod database_password;
mod error;
mod fingerprint;
mod key_secret;
mod keyed_hash;
mod mail_token;
mod password;
mod password_threads;
mod permission;
mod permission_set;
mod principal;
mod recovery_code;
mod refresh_token;
mod rotation;
mod secret_keys;
mod settings;
mod totp;
mod trusted_key;

pub use access_token::{AccessTokenSettings, AccessTokens, SigningKey, TokenAlgorithm};
pub use checkpoint_key::{CheckpointKey, is_signed};
pub use database_password::is_password_of;
pub use error::{
    AuthError, HashingError, InvalidApiKey, InvalidMailToken, InvalidRefreshToken, InvalidToken,
    MfaError, PasswordError, UnknownPermission,
};
pub use fingerprint::{FingerprintKey, Fingerprints};
pub use key_secret::{KeyHash, KeySecret};
pub use mail_token::{MailKey, MailPurpose, MailToken, MailTokenHash};
pub use password::{Password, PasswordHash};
pub use password_threads::{PasswordSettings, PasswordThreads};
pub use permission::{Permission, permissions_of, role_permits};
pub use permission_set::PermissionSet;
pub use principal::{CustomRoleClaim, KeyPrincipal, Principal, TenantClaim, UserPrincipal};
pub use recovery_code::{RECOVERY_CODES, RecoveryCode};
pub use refresh_token::{RefreshKey, RefreshToken, RefreshTokenHash};
pub use rotation::{Presentation, StoredRefreshToken};
pub use secret_keys::SecretKeys;
pub use settings::{AuthSettings, CaptchaSettings};
pub use totp::{SealedTotp, TotpKeys, TotpSecret};
pub use trusted_key::{NotATrustedKey, TrustedKey};

//! The words of the business, each spelled once: ids, slugs, e-mail addresses, names, roles,
//! tenants, accounts, memberships, projects,
//! resources.
//!
//! The problem: a `String` that was checked somewhere, and a `Uuid` that might be anybody's. Here
//! text is parsed once, at the edge, into a type that cannot hold a bad value; and an id carries
//! what it is an id *of*.
//!
//! ```
//! use domain::{Email, Role, TenantSlug};
//!
//! let email = Email::parse("Leslie@Pawnee.Example")?;
//! assert_eq!(email.as_str(), "leslie@pawnee.example");
//! assert!(TenantSlug::parse("-nope").is_err());
//! assert!(Role::Owner > Role::Admin);
//! # Ok::<(), domain::EmailError>(())
//! ```
//!
//! What deliberately does not live here: I/O of any kind, SQL, HTTP, the JSON that clients see
//! (`api` has its own views), and who may do what (`auth`).
//!
//! **To add a thing:** its id in `ids.rs`, a file named after it with its struct (plain fields, as
//! read from the database), its words as an enum by `words!`, its texts as `checked_text!`, a
//! `pub use` below.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod account;
mod api_key;
mod branding;
mod custom_role;
mod email;
mod feature;
mod https_url;
mod idempotency_key;
mod ids;
mod invitation;
mod mail_kind;
mod membership;
mod project;
mod resource;
mod resource_data;
mod role;
mod session;
mod slug;
mod tenant;
mod tenant_plan;
mod tenant_settings;
mod text;
mod usage;
mod words;

pub use account::Account;
pub use api_key::ApiKey;
pub use branding::{BrandingPatch, Color, ColorError};
pub use custom_role::CustomRole;
pub use email::{Email, EmailError};
pub use feature::{Feature, FeatureSource, Features};
pub use https_url::{HttpsUrl, HttpsUrlError};
pub use idempotency_key::{IdempotencyKey, IdempotencyKeyError};
pub use ids::{
    AccountId, ApiKeyId, InvitationId, JobId, MembershipId, ProjectId, ResourceId, RoleId,
    SessionId, TenantId,
};
pub use invitation::{Invitation, InvitationStatus};
pub use mail_kind::MailKind;
pub use membership::{
    CustomRights, GrantedRole, Membership, MembershipChanges, MembershipStatus, TenantMembership,
};
pub use project::{NewProject, Project, ProjectChanges, ProjectSort, ProjectStatus};
pub use resource::{NewResource, Resource, ResourceChanges, ResourcePatch, ResourceVersion};
pub use resource_data::{ResourceData, ResourceDataError};
pub use role::{CustomRoleName, Role, RoleName, RoleNameError};
pub use session::Session;
pub use slug::{SlugError, TenantSlug};
pub use tenant::{Signup, SubscriptionTier, Tenant, TenantChanges, TenantPatch, TenantStatus};
pub use tenant_plan::TenantPlan;
pub use tenant_settings::{SettingsError, SettingsFault, SettingsPatch, WeekStart};
pub use text::{
    ApiKeyName, Description, FullName, NamePrefix, ProjectName, ResourceName, ResourceType,
    TenantName, TextError,
};
pub use usage::{PlanResource, Usage};
pub use words::UnknownWord;

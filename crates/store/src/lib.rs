//! The tables of Rowhouse and their queries.
//!
//! One file per table. Rows of a tenant are reached with a [`tenant_db::TenantConn`], which exists
//! only inside that tenant's transaction:
//!
//! ```no_run
//! # async fn example(db: tenant_db::TenantDb, context: tenant_db::Context) -> Result<(), store::Error> {
//! let projects = db
//!     .read(context, |conn| store::projects::list(conn, &Default::default(), Default::default(), None, 20))
//!     .await?;
//! # drop(projects); Ok(()) }
//! ```
//!
//! What happens before a tenant is known (sign-in) goes through [`IdentityDb`]. What an
//! administrator does once a database is in [`bootstrap`], [`migrations`] and [`demo`].
//!
//! To add a query: a free function in the file of its table, `list, find, insert, update, delete`
//! first; `find` answers [`Error::NotFound`], `find_by_x` an `Option`. No HTTP and no permission
//! is decided here, except by the database.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod access;
pub mod api_keys;
pub mod audit_events;
pub mod bootstrap;
pub mod catalog;
pub mod demo;
pub mod denials;
pub mod features;
pub mod idempotency_keys;
pub mod invitations;
pub mod memberships;
pub mod migrations;
pub mod outbox;
pub mod plan_limits;
pub mod projects;
pub mod reads;
pub mod resource_versions;
pub mod resources;
pub mod roles;
pub mod scratch;
pub mod tenants;

mod account_mails;
mod account_tokens;
mod accounts;
mod actors;
mod api_calls;
mod audit;
mod connections;
mod context;
mod credentials;
mod directory;
mod error;
mod identity;
mod login_failures;
mod ops_audit;
mod ops_db;
mod ops_jobs;
mod owner_db;
mod period;
mod platform_denials;
mod refresh_tokens;
mod schedule;
mod schema;
mod seal_key_file;
mod sessions;
mod signers;
mod tenant_plans;
mod totp_secrets;
mod trail_db;

pub use self::account_mails::ClaimedMail;
pub use self::actors::Actor;
pub use self::api_calls::{ApiCalls, end_of, month_of};
pub use self::audit::AuditSettings;
pub use self::connections::{DatabaseSettings, EMBEDDED_DATABASE, RoleUrls, without_password};
pub use self::context::context;
pub use self::credentials::{Credentials, CredentialsError, SealSettings};
pub use self::error::Error;
pub use self::identity::{
    AccountMail, BrokenChain, Caller, Candidate, ChainCheck, Chore, ClaimedJob, Ended, Goal, Guest,
    IdentityDb, Invited, Lease, LinkRules, Next, Pace, Proof, Registrant, Retention, SecondFactor,
    SignedIn, Signing, Slug, Verified,
};
pub use self::login_failures::{Admission, Attempt, LoginLimit, Subject};
pub use self::ops_audit::AuditReport;
pub use self::ops_db::{Added, OpsDb, TenantSummary};
pub use self::ops_jobs::{JobState, JobSummary};
pub use self::owner_db::OwnerDb;
pub use self::period::Period;
pub use self::plan_limits::{PlanLimits, PlanSettings, PlansSettings, Room, within_plan};
pub use self::platform_denials::PlatformDenial;
pub use self::refresh_tokens::NewRefreshToken;
pub use self::seal_key_file::{Draft, SealKeyFile};
pub use self::sessions::NewSession;
pub use self::signers::{SignedStatement, Signer, Unsigned};
pub use self::tenant_plans::TenantPlans;
pub use self::trail_db::{Moment, TrailDb, Who};
pub use tenant_db::audit::{Checkpoint, Examination, Export, Flaw, Signed, examine_export};

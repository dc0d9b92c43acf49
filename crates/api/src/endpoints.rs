//! The handlers, one file per noun. Which path leads to which is `routes.rs`.

pub(crate) mod account;
pub(crate) mod api_keys;
pub(crate) mod audit_events;
pub(crate) mod audit_export;
pub(crate) mod auth;
mod branding;
pub(crate) mod denials;
pub(crate) mod docs;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod invitation_acceptance;
pub(crate) mod invitations;
pub(crate) mod jwks;
pub(crate) mod mfa;
pub(crate) mod my_tenants;
pub(crate) mod password;
pub(crate) mod projects;
pub(crate) mod reads;
pub(crate) mod resource_versions;
pub(crate) mod resources;
pub(crate) mod roles;
pub(crate) mod session;
pub(crate) mod sessions;
pub(crate) mod step_up;
pub(crate) mod tenant;
pub(crate) mod tenant_end;
pub(crate) mod tenant_usage;
pub(crate) mod tenants;
mod token;
mod trail;
pub(crate) mod users;
pub(crate) mod verification;

pub(crate) use token::TokenView;

/// A list that cannot be filtered.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoFilters {}

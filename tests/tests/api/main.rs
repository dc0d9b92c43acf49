//! The API as its clients, and its attackers, meet it: real HTTP, the real server, the real
//! PostgreSQL. What needs no database is tested in `crates/api/tests`, what the database holds
//! whatever a server does in `crates/store/tests`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test stops at the first surprise, and clippy.toml knows only functions marked #[test]"
)]

mod access;
mod account;
mod account_deletion;
mod agreement;
mod aliases;
mod api_calls;
mod api_keys;
mod audit_events;
mod audit_export;
mod audit_signing;
mod captcha;
mod conditions;
mod deadline;
mod denials;
mod denials_kept;
mod fair_share;
mod features;
mod frame;
mod health;
mod history;
mod idempotency;
mod idempotency_races;
mod invitations;
mod isolation;
mod jobs;
mod last_owner;
mod login;
mod login_failures;
mod logout;
mod managed;
mod members;
mod merge_patch;
mod mfa;
mod my_tenants;
mod oddities;
mod password;
mod password_reset;
mod pgbouncer;
mod plan_limits;
mod project_changes;
mod project_deletion;
mod project_lists;
mod project_purge;
mod project_search;
mod project_sorting;
mod project_views;
mod projects;
mod queries;
mod rate_limits;
mod raw;
mod reads;
mod reference_session;
mod refresh;
mod registration;
mod registration_rules;
mod resource_versions;
mod resources;
mod roles;
mod rows;
mod sessions;
mod signing_keys;
mod smtp;
mod smtp_server;
mod smtp_tls;
mod state;
mod step_up;
mod story;
mod switch;
mod tenant;
mod tenant_deletion;
mod tenant_erasure;
mod tenant_plans;
mod tenant_settings;
mod tenants;
mod tokens;
mod trail_retention;
mod transfer;
mod users;
mod verification;

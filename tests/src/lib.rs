//! What the tests of all packages share: a migrated database per test, a server on it, callers.
//!
//! ```no_run
//! # async fn test() {
//! use rowhouse_tests::TestApp;
//!
//! let (app, alice, bob) = TestApp::two_tenants().await;
//! let project = alice.create_project("Atlas").await;
//! let answer = bob.get(&format!("/api/v1/projects/{}", project.id())).await;
//! assert_eq!(answer.status(), 404);
//! # drop(app); }
//! ```
//!
//! PostgreSQL is real: one cluster that all test processes share, a database per test, cut from a
//! template. The server is real too: it listens on a port of its own.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod answer;
mod app;
mod caller;
mod database;
mod described;
mod mail;
mod pgbouncer;
mod redis;

pub use answer::Answer;
pub use app::{Setup, TestApp, Work, access_tokens, secret_keys};
pub use caller::Caller;
pub use database::{Database, seal_key};
pub use mail::Mail;
pub use pgbouncer::PgBouncer;
pub use redis::Redis;

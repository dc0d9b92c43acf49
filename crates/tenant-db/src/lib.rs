//! Tenant isolation that PostgreSQL itself enforces.
//!
//! Many tenants share one database and one schema. A bug in a query, or SQL that somebody
//! injected, must not reach another tenant's rows. Row-Level Security can see to that, if it
//! knows for certain *which* tenant is asking: the usual `SET app.tenant_id = …` does not, since
//! one injected statement sets it anew. Here the context is signed by the server, checked by the
//! database, and kept in a place that SQL on the application's connection cannot write.
//!
//! ```no_run
//! use tenant_db::diesel::prelude::*;
//! use tenant_db::{Actor, Context, Error, PoolSettings, Role, SealKey, TenantDb};
//!
//! tenant_db::diesel::table! {
//!     notes (tenant_id, id) { tenant_id -> Uuid, id -> Uuid, title -> Text }
//! }
//!
//! # async fn example(user: uuid::Uuid, session: uuid::Uuid, tenant: uuid::Uuid) -> Result<(), Error> {
//! let url = "postgresql://rowhouse_app@localhost/app".to_owned().into();
//! let key = SealKey::new("k1", b"at least thirty-two secret bytes").expect("a key");
//! let db = TenantDb::connect(&url, key, &PoolSettings::default())?;
//!
//! let context = Context::new(tenant, Actor::User { id: user, session }).with_role(Role::Member, 0);
//! // No filter by tenant: the database adds it, whatever the query says.
//! let titles: Vec<String> = db
//!     .run(context, |conn| Ok::<_, Error>(notes::table.select(notes::title).load(conn)?))
//!     .await?;
//! # drop(titles); Ok(()) }
//! ```
//!
//! # A new tenant table
//! In a migration, as `rowhouse_owner`: a column `tenant_id uuid NOT NULL` first in the primary
//! key and in every unique key, composite foreign keys, then
//! `SELECT tenancy.protect('notes', write_role => 'member');`.
//!
//! # What is not here
//! Tables of yours, HTTP, sign-in. Whether an actor may work in a tenant is asked of
//! `tenancy.authorize`, which you replace.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod verify;

mod bootstrap;
mod builder;
mod context;
mod error;
mod explain_access;
mod harden;
mod install;
mod migrations;
mod pool;
mod seal;
mod service_db;
mod session;
mod sql_log;
mod tenant_conn;
mod tenant_db;
mod workers;

pub use diesel;

pub use self::bootstrap::{CLUSTER_SQL, DATABASE_SQL, bootstrap, register_seal_key};
pub use self::builder::TenantDbBuilder;
pub use self::context::{Actor, Context, Role};
pub use self::error::Error;
pub use self::explain_access::{AccessAnswer, AccessQuestion, explain_access};
pub use self::harden::{Hardening, harden};
pub use self::install::install;
pub use self::migrations::migrations;
pub use self::pool::PoolSettings;
pub use self::seal::{SealKey, SealKeyError};
pub use self::service_db::ServiceDb;
pub use self::tenant_conn::{Savepoints, TenantConn};
pub use self::tenant_db::TenantDb;

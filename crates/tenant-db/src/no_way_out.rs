//! What does not compile: each way out of a tenant's transaction that Rust code could take. This
//! does, as a frame for what follows.
//!
//! ```no_run
//! # fn example(db: tenant_db::TenantDb, context: tenant_db::Context) -> Result<(), tenant_db::Error> {
//! use std::sync::Mutex;
//! use tenant_db::diesel::{self, PgConnection, prelude::*};
//! use tenant_db::{Error, TenantConn, TenantDb};
//! static KEPT: Mutex<Option<i32>> = Mutex::new(None);
//! db.run_blocking(context, |conn| {
//!     *KEPT.lock().unwrap() = Some(diesel::select(1.into_sql::<diesel::sql_types::Integer>()).get_result(conn)?);
//!     Ok::<_, Error>(())
//! })
//! # }
//! ```
//!
//! The connection does not outlive its closure: not in a static,
//! ```compile_fail,E0521
//! # fn example(db: tenant_db::TenantDb, context: tenant_db::Context) -> Result<(), tenant_db::Error> {
//! # use std::sync::Mutex;
//! # use tenant_db::{Error, TenantConn};
//! static KEPT: Mutex<Option<&'static mut TenantConn<'static>>> = Mutex::new(None);
//! db.run_blocking(context, |conn| {
//!     *KEPT.lock().unwrap() = Some(conn);
//!     Ok::<_, Error>(())
//! })
//! # }
//! ```
//! not in another thread,
//! ```compile_fail,E0521
//! # fn example(db: tenant_db::TenantDb, context: tenant_db::Context) -> Result<(), tenant_db::Error> {
//! # use tenant_db::Error;
//! db.run_blocking(context, |conn| {
//!     std::thread::spawn(move || conn.tenant());
//!     Ok::<_, Error>(())
//! })
//! # }
//! ```
//! not in a variable outside,
//! ```compile_fail,E0521
//! # fn example(db: tenant_db::TenantDb, context: tenant_db::Context) -> Result<(), tenant_db::Error> {
//! # use tenant_db::Error;
//! let mut kept = None;
//! db.run_blocking(context, |conn| {
//!     kept = Some(conn);
//!     Ok::<_, Error>(())
//! })
//! # }
//! ```
//! nor as the answer.
//! ```compile_fail
//! # fn example(db: tenant_db::TenantDb, context: tenant_db::Context) -> Result<(), tenant_db::Error> {
//! # use tenant_db::Error;
//! db.run_blocking(context, |conn| Ok::<_, Error>(conn)).map(drop)
//! # }
//! ```
//!
//! Rows that are still being read do not outlive it either.
//! ```compile_fail
//! # fn example(db: tenant_db::TenantDb, context: tenant_db::Context) -> Result<(), tenant_db::Error> {
//! # use tenant_db::{Error, diesel::{self, prelude::*}};
//! db.run_blocking(context, |conn| {
//!     let rows = diesel::select(1.into_sql::<diesel::sql_types::Integer>()).load_iter::<i32, _>(conn)?;
//!     Ok::<_, Error>(rows)
//! }).map(drop)
//! # }
//! ```
//!
//! It is no `PgConnection`,
//! ```compile_fail,E0308
//! # fn example(conn: &mut tenant_db::TenantConn<'_>) {
//! let raw: &mut tenant_db::diesel::PgConnection = conn;
//! # }
//! ```
//! does not hand out the one that it wraps,
//! ```compile_fail,E0616
//! # fn example(conn: &mut tenant_db::TenantConn<'_>) {
//! let raw = &mut conn.session.conn;
//! # }
//! ```
//! knows nothing that only a `PgConnection` knows,
//! ```compile_fail,E0599
//! # fn example(conn: &mut tenant_db::TenantConn<'_>) {
//! let transaction = conn.build_transaction();
//! # }
//! ```
//! ```compile_fail,E0599
//! # fn example(conn: &mut tenant_db::TenantConn<'_>) {
//! let heard = conn.notifications_iter();
//! # }
//! ```
//! and copies nothing.
//! ```compile_fail,E0277
//! # use tenant_db::diesel::{self, prelude::*};
//! # diesel::table! { notes (id) { id -> Integer } }
//! # fn example(conn: &mut tenant_db::TenantConn<'_>) {
//! let copied = diesel::copy_to(notes::table).load::<(i32,), _>(conn);
//! # }
//! ```
//!
//! Its transaction is not Diesel's to end,
//! ```compile_fail,E0271
//! # use tenant_db::diesel::connection::{AnsiTransactionManager, TransactionManager};
//! # fn example(conn: &mut tenant_db::TenantConn<'_>) {
//! let ended = AnsiTransactionManager::commit_transaction(conn);
//! # }
//! ```
//! and nobody makes one but the pool.
//! ```compile_fail,E0624
//! # fn example(session: &mut tenant_db::diesel::PgConnection) {
//! let conn = tenant_db::TenantConn::new(session, uuid::Uuid::nil());
//! # }
//! ```
//!
//! Two tenants' connections cannot be exchanged.
//! ```compile_fail
//! # use tenant_db::TenantConn;
//! fn exchange<'a, 'b>(acme: &mut TenantConn<'a>, globex: &mut TenantConn<'b>) {
//!     std::mem::swap(acme, globex);
//! }
//! ```
//!
//! The pool and its sessions are nobody's.
//! ```compile_fail,E0603
//! use tenant_db::pool::Pool;
//! ```
//! ```compile_fail,E0603
//! use tenant_db::session::Session;
//! ```
//! ```compile_fail,E0616
//! # fn example(db: tenant_db::TenantDb) {
//! let pool = db.pool;
//! # }
//! ```
//! ```compile_fail,E0616
//! # fn example(db: tenant_db::TenantDb) {
//! let key = db.key;
//! # }
//! ```
//!
//! A context is not another tenant's by an assignment.
//! ```compile_fail,E0616
//! # fn example(context: &mut tenant_db::Context, other: uuid::Uuid) {
//! context.tenant = other;
//! # }
//! ```

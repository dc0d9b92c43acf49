//! Tenant isolation that PostgreSQL itself enforces.
//!
//! Many tenants share one database and one schema. A bug in a query, or SQL that somebody
//! injected, must not reach another tenant's rows. Row-Level Security can see to that, if it
//! knows for certain *which* tenant is asking: the usual `SET app.tenant_id = …` does not, since
//! one injected statement sets it anew. Here the context is signed by the server, checked by the
//! database, and kept in a place that SQL on the application's connection cannot write.
//!
//! ```toml
//! [dependencies]
//! tenant-db = "0.1"
//! # Its macros speak of a crate `diesel`, in the version that this crate has as `tenant_db::diesel`.
//! diesel = { version = "~2.3.14", default-features = false, features = ["postgres", "uuid"] }
//! diesel_migrations = { version = "~2.3.2", default-features = false, features = ["postgres"] }
//! uuid = { version = "1", features = ["v7"] }
//! ```
//!
//! ```no_run
//! use diesel::prelude::*;
//! use tenant_db::{Actor, Context, Error, PoolSettings, Role, SealKey, TenantDb};
//!
//! diesel::table! {
//!     notes (tenant_id, id) { tenant_id -> Uuid, id -> Uuid, title -> Text }
//! }
//!
//! # async fn example(user: uuid::Uuid, session: uuid::Uuid, tenant: uuid::Uuid) -> Result<(), Error> {
//! let url = "postgresql://rowhouse_app:password@localhost/app";
//! let key = SealKey::new("k1", b"at least thirty-two secret bytes").expect("a key");
//! let db = TenantDb::connect(url, key, &PoolSettings::default())?;
//!
//! let context = Context::new(tenant, Actor::User { id: user, session }).with_role(Role::Member, 0);
//! // No filter by tenant: the database adds it, whatever the query says.
//! let titles: Vec<String> = db
//!     .run(context, |conn| Ok::<_, Error>(notes::table.select(notes::title).load(conn)?))
//!     .await?;
//! # drop(titles); Ok(()) }
//! ```
//!
//! Once, as a superuser, before the migrations of your own; or, on a managed service, as a role with
//! CREATEROLE that owns the database, which comes to a lesser [`Level`]:
//!
//! ```no_run
//! # fn example(conn: &mut tenant_db::diesel::PgConnection, key: &tenant_db::SealKey) -> Result<(), tenant_db::Error> {
//! tenant_db::install(conn)?; // roles and the schema `tenancy`; takes nothing from anybody
//! let plan = tenant_db::harden(conn)?; // what PUBLIC would lose
//! println!("{plan}");
//! plan.apply(conn)?;
//! tenant_db::register_seal_key(conn, key)?;
//! # Ok(()) }
//! ```
//!
//! The role `rowhouse_app` is made without a password, and few servers let anybody in without one: set
//! it by `\password rowhouse_app` in psql, or `ALTER ROLE rowhouse_app PASSWORD '…'`.
//!
//! Three whole programs are in `examples/`: `cargo run -p tenant-db --example items`.
//!
//! # Recipes
//! **A new tenant table.** In a migration, as `rowhouse_owner`: a column `tenant_id uuid NOT NULL`
//! first in the primary key and in every unique key, composite foreign keys, then `protect`; and a
//! line in the [catalog](verify::Catalog) that your tests verify.
//!
//! ```sql
//! SET LOCAL ROLE rowhouse_owner;
//! CREATE TABLE notes (
//!     tenant_id uuid NOT NULL DEFAULT tenancy.current_tenant(),
//!     id uuid NOT NULL, title text NOT NULL, PRIMARY KEY (tenant_id, id));
//! SELECT tenancy.protect('notes', write_role => 'member');
//! SET LOCAL ROLE NONE;
//! ```
//!
//! The last line lets Diesel write its record of migrations. After a later `ALTER TABLE … ADD COLUMN`, call
//! `protect` again with the same arguments: it is what grants the new column, which cannot be changed
//! before ([`Error::PermissionDenied`]).
//!
//! **What `verify` is to find.** All that there is beside what this crate brings: here, what these recipes
//! make, and a table of no tenant, of whoever migrates. [`verify`](verify::verify()) names what is
//! missing; of a function it prints the digest.
//!
//! ```ignore
//! pub fn catalog() -> Catalog {
//!     let service = "notes_service";
//!     Catalog::new()
//!         .table(Table::of_migrations("public.__diesel_schema_migrations"))
//!         .tenant_table(TenantTable::new("public.notes").write_role(Role::Member))
//!         .tenant_table(TenantTable::new("public.letters").write_role(Role::Member))
//!         .table(Table::new("public.companies", "postgres"))
//!         .table(
//!             Table::new("tenancy.member", "rowhouse_tenancy")
//!                 .grant("SELECT, INSERT, DELETE", service),
//!         )
//!         .function(Function::invoker(
//!             "tenancy.authorize(text,uuid,text,uuid,text,integer)",
//!             "rowhouse_tenancy",
//!             "a6c8ee26243bdde26d21c6cdb0001ad9be7497851ed33de8f3e6e9f28f1758ac",
//!         ))
//!         .login_role(service)
//!         .grant("USAGE", "SCHEMA tenancy", service)
//!         .grant(
//!             "EXECUTE",
//!             "FUNCTION tenancy.tenants_to_seal(integer)",
//!             service,
//!         )
//!         .grant(
//!             "EXECUTE",
//!             "FUNCTION tenancy.seal_events(uuid,integer)",
//!             service,
//!         )
//! }
//! ```
//!
//! **An existing table.** Back up first. Give it to `rowhouse_owner`, add `tenant_id`, fill it, make it
//! NOT NULL and first in the primary key, then `protect` it. From then on every other role of the
//! database sees no row of it, unless it bypasses Row-Level Security: move readers to [`TenantDb`]
//! first. [`verify`](verify::verify()) says what is still missing.
//!
//! ```sql
//! ALTER TABLE letters OWNER TO rowhouse_owner;
//! ALTER TABLE letters ADD tenant_id uuid;
//! UPDATE letters SET tenant_id = companies.tenant_id FROM companies WHERE companies.id = letters.company_id;
//! ALTER TABLE letters ALTER tenant_id SET NOT NULL,
//!     DROP CONSTRAINT letters_pkey, ADD PRIMARY KEY (tenant_id, id);
//! SET LOCAL ROLE rowhouse_owner;
//! SELECT tenancy.protect('letters', write_role => 'member');
//! SET LOCAL ROLE NONE;
//! ```
//!
//! **Who may enter.** As shipped, `tenancy.authorize` believes every valid seal. Replace it to look
//! at memberships; jobs have none, and who holds the seal key answers for them. Table and function go into
//! the catalog.
//!
//! ```sql
//! SET LOCAL ROLE rowhouse_tenancy;
//! CREATE TABLE tenancy.member (tenant uuid, actor uuid, PRIMARY KEY (tenant, actor));
//! CREATE OR REPLACE FUNCTION tenancy.authorize(
//!     kind text, tenant uuid, actor text, session uuid, role text, version int)
//! RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
//! BEGIN
//!     IF kind <> 'job' AND NOT EXISTS (SELECT FROM tenancy.member m
//!         WHERE m.tenant = authorize.tenant AND m.actor = authorize.actor::uuid) THEN
//!         PERFORM tenancy.refuse('TN007', 'not a member');
//!     END IF;
//! END $$;
//! SET LOCAL ROLE NONE;
//! ```
//!
//! **What belongs to no tenant**, such as members, accounts or a queue, is reached as a role of your own, which
//! wants a password too, by [`ServiceDb::connect`]. It has no context, and no rights but those that it is
//! granted:
//!
//! ```sql
//! CREATE ROLE notes_service LOGIN;
//! SET LOCAL ROLE rowhouse_tenancy;
//! GRANT USAGE ON SCHEMA tenancy TO notes_service;
//! GRANT SELECT, INSERT, DELETE ON tenancy.member TO notes_service;
//! GRANT EXECUTE ON FUNCTION tenancy.tenants_to_seal(int), tenancy.seal_events(uuid, int) TO notes_service;
//! SET LOCAL ROLE NONE;
//! ```
//!
//! ```ignore
//! diesel::table! {
//!     tenancy.member (tenant, actor) { tenant -> Uuid, actor -> Uuid }
//! }
//!
//! pub async fn admit(service: &ServiceDb, tenant: Uuid, user: Uuid) -> Result<(), Error> {
//!     let work = move |conn: &mut PgConnection| {
//!         diesel::insert_into(member::table)
//!             .values((member::tenant.eq(tenant), member::actor.eq(user)))
//!             .on_conflict_do_nothing()
//!             .execute(conn)?;
//!         Ok(())
//!     };
//!     service.run(work).await
//! }
//! ```
//!
//! **The audit trail.** Each change of a protected table leaves an event in `tenancy.audit_events`, with all
//! values before and after, which anybody in the tenant may read, viewers too. Of `protect(…, redact =>
//! '{iban}')` no event shows the values, with `unaudited => '{seen_at}'` a change of that column alone
//! leaves none, with `audit => false` nothing does; [`TenantTable`](verify::TenantTable) declares each.
//! Events stay for good; whoever migrates takes values from them, `tenancy.erase_object(tenant, 'notes', id)`
//! those of a row, `tenancy.erase_actor(tenant, actor)` a person's addresses, `tenancy.erase_trail(tenant,
//! 10000)`, until it answers 0, all of a tenant that is gone. Their chain still holds.
//!
//! Nobody chains them until you do. Only then is it seen when one is changed or taken away: its
//! tenant's [`Examination`](audit::Examination) has a `flaw`. Checkpoints, also in [`audit`], show a chain
//! that was cut short or written anew.
//!
//! ```ignore
//! /// Each server, about once a second.
//! pub async fn seal(service: &ServiceDb) -> Result<(), Error> {
//!     let waiting = service
//!         .ask(|conn| audit::tenants_to_seal(conn, 100))
//!         .await?;
//!     for waiting in waiting {
//!         let seal = move |conn: &mut PgConnection| audit::seal_events(conn, waiting.tenant, 1000);
//!         service.ask(seal).await?;
//!     }
//!     Ok(())
//! }
//!
//! /// By night, as whoever migrates.
//! pub fn examine(conn: &mut PgConnection) -> Result<Vec<Examination>, Error> {
//!     conn.build_transaction().repeatable_read().run(|conn| {
//!         let chains = audit::chains(conn)?;
//!         let examine = |chain: &Chain| audit::examine(conn, chain.tenant, Some(chain), &[]);
//!         chains.iter().map(examine).collect()
//!     })
//! }
//! ```
//!
//! **Axum, or any other framework.** A [`TenantDb`] is cheap to clone and knows no HTTP: keep it in
//! the state, make the [`Context`] in the extractor that verifies the token, and call
//! [`run`](TenantDb::run) in the handler. Queries run on threads of the pool, so a handler never
//! blocks the executor:
//!
//! ```ignore
//! async fn titles(State(db): State<TenantDb>, caller: Caller) -> Result<Json<Vec<String>>, AppError> {
//!     let work = |conn: &mut TenantConn<'_>| {
//!         Ok::<_, AppError>(notes::table.select(notes::title).load(conn)?)
//!     };
//!     Ok(Json(db.read(caller.context, work).await?))
//! }
//! ```
//!
//! **A background worker.** The same with [`Actor::Job`], one transaction a tenant; from a thread of
//! your own by [`run_blocking`](TenantDb::run_blocking).
//!
//! ```ignore
//! pub fn count(db: &TenantDb, tenant: Uuid, job: Uuid) -> Result<i64, Error> {
//!     let context = Context::new(tenant, Actor::Job { id: job }).with_role(Role::Owner, 0);
//!     db.run_blocking(context, |conn| Ok(notes::table.count().get_result(conn)?))
//! }
//! ```
//!
//! **PgBouncer** in transaction pooling: [`TenantDbBuilder::pgbouncer`] (for a [`ServiceDb`],
//! [`PoolSettings::pgbouncer`]), and a key that is registered as [`unbound`](SealKey::unbound). Each
//! transaction then brings its settings along and takes from its backend what another one left.
//! The roles of these pools are to be used by nothing else through the same PgBouncer.
//!
//! **Statistics.** `EXPLAIN` shows what the planner knows of *all* tenants' values: `protect(…,
//! blind_statistics => true)` keeps it from knowing, declared by
//! [`TenantTable::blind_statistics`](verify::TenantTable::blind_statistics). Plans are then made by
//! rules of thumb: for tables that are read by their keys that is enough. The first `ANALYZE` comes
//! in another transaction than `protect`, which takes columns that views, generated columns or
//! triggers name only while the table was never analyzed.
//!
//! **Fair shares.** [`TenantDbBuilder::tenant_share_percent`]: of one tenant's transactions no more than
//! that part of the connections is in use at once; the others wait, and neighbours do not.
//!
//! **A longer statement, a part that may fail.** [`TenantDb::with_statement_timeout`]; inside the
//! closure `conn.transaction` is a savepoint.
//!
//! # Settings, health, metrics
//! [`PoolSettings`] states each default; [`TenantDb::builder`] adds a replica; [`TenantDb::health`]
//! is a readiness check. `RUST_LOG=tenant_db::sql=debug` logs every statement, without its values.
//! To a recorder of the crate `metrics`, `pool` being `tenant`, `replica` or `service`:
//!
//! | name | kind | labels |
//! |---|---|---|
//! | `tenant_db_transactions_total` | counter | `pool`, `outcome`: `committed`, `rolled_back`, `not_begun`, `unknown` |
//! | `tenant_db_wait_seconds` | histogram: from the call to a thread | `pool` |
//! | `tenant_db_connections_in_use` | gauge | `pool` |
//! | `tenant_db_refused_total` | counter | `pool`, `reason`: `queue` (it was full), `share` (the tenant's part of it was), `wait` (it was too long) |
//! | `tenant_db_held_back_total` | counter: waited for other transactions of their tenant | `pool` |
//!
//! # What it holds against, and what not
//! A query without a filter, the wrong tenant's id, SQL that somebody injected into a tenant's
//! transaction: none of them reads or writes a row of another tenant. Not covered: code in the
//! server's process, which holds the seal key; superusers, the host and backups; a database whose
//! `verify` is not clean; how many rows a table has in all, and of tables without blinded statistics
//! what `EXPLAIN` tells of all tenants' values.
//!
//! | | a forgotten filter | injected SQL | one schema, one pool |
//! |---|---|---|---|
//! | `WHERE tenant_id = …` by hand | leaks | leaks | yes |
//! | policies and `SET LOCAL app.tenant_id` | safe | leaks: one statement sets it anew | yes |
//! | a role per tenant and `SET ROLE` | safe | leaks: `RESET ROLE`, if the pool's login may become any of them | yes, with a role per tenant in the cluster |
//! | a database per tenant | safe | safe | no |
//! | this crate | safe | safe | yes |
//!
//! # What is not here
//! Tables of yours, HTTP, sign-in.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod audit;
pub mod verify;

mod as_application;
mod bootstrap;
mod builder;
mod context;
mod error;
mod explain_access;
mod harden;
mod install;
mod level;
mod listener;
mod meters;
mod migrations;
#[cfg(doctest)]
mod no_way_out;
mod pgbouncer;
mod pool;
mod seal;
mod seal_keys;
mod service_db;
mod session;
mod sql_log;
mod tenant_conn;
mod tenant_db;
mod workers;

pub use diesel;

pub use self::bootstrap::{CLUSTER_SQL, DATABASE_SQL, bootstrap};
pub use self::builder::TenantDbBuilder;
pub use self::context::{Actor, Context, Role};
pub use self::error::Error;
pub use self::explain_access::{AccessAnswer, AccessQuestion, explain_access};
pub use self::harden::{Hardening, harden};
pub use self::install::install;
pub use self::level::Level;
pub use self::listener::{Channel, Listener};
pub use self::migrations::migrations;
pub use self::pool::PoolSettings;
pub use self::seal::{SealKey, SealKeyError};
pub use self::seal_keys::{KnownSealKey, register_seal_key, retire_seal_key, seal_keys};
pub use self::service_db::ServiceDb;
pub use self::tenant_conn::{Savepoints, TenantConn};
pub use self::tenant_db::TenantDb;

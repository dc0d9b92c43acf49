//! What a transaction of a tenant survives: faults of its closure, of its caller, of its
//! connection and of PostgreSQL itself. Nothing is killed here but a postmaster that the test has
//! started itself, by its process id, and backends of the test's own database.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod changes;
mod control;
mod embedding;
mod examples;
mod fixtures;
mod interleaved;
mod losses;
mod managed;
mod outage;
mod own_cluster;
mod pgbouncer;
mod prologue;
mod reads;
mod recipes;
mod roles;
mod round_trips;
mod seal_keys;
mod service;
mod standby;
mod statistics;
mod swallowed;
mod taint;
mod threads;
mod wire;

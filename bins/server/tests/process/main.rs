//! The server as a process: how it starts, what it refuses, and what survives the death of either
//! process. Every process that is ended here was started here, and is ended by its id.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod deaths;
mod first_run;
mod frozen;
mod http;
mod keys;
mod limits;
mod metrics;
mod pgbouncer;
mod plans;
mod redis_gone;
mod refusals;
mod repeats;
mod seal;
mod servers;
mod sharing;
mod site;
mod tap;
mod views;
mod worker;
mod writers;

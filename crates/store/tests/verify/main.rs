//! The doctor against a real database: each guard is taken away once, in a transaction that is
//! rolled back, and must be missed by name. Then the remedy that the finding shows is run, and
//! must do.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

mod audit;
mod breakage;
mod clean;
mod copies;
mod foreign_keys;
mod functions;
mod grants;
mod indexes;
mod managed;
mod mutants;
mod objects;
mod policies;
mod report;
mod roles;
mod settings;
mod tables;
mod triggers;

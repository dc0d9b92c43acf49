//! What the database itself holds, whatever a server does: contexts, policies, doors, history.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod attacks;
mod audit;
mod audit_chain;
mod audit_locks;
mod contexts;
mod doors;
mod history;
mod jobs;
mod locks;
mod plans;
mod roles;
mod sealed;

//! What the database itself holds, whatever a server does: contexts, policies, doors, history.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod contexts;
mod doors;
mod history;
mod jobs;
mod plans;
mod roles;
mod sealed;

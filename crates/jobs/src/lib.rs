//! What is done later, and at least once: the outbox and its worker, what runs by the clock, mail.
//!
//! The problem: a mail must be sent if, and only if, the transaction that wants it is committed; a
//! server may die at any moment; and whoever works for a tenant must not reach another one. So a
//! request writes what is to be done into a table, in its own transaction, and a [`Worker`] takes it
//! from there under a lease. What a tenant's job does, it does in that tenant's sealed context,
//! which the database grants to the last attempt alone.
//!
//! ```no_run
//! # async fn example(
//! #     tenants: tenant_db::TenantDb, context: tenant_db::Context, outbox: jobs::Outbox,
//! #     membership: domain::MembershipId,
//! # ) -> Result<(), store::Error> {
//! use jobs::{Outbox, TenantJob};
//!
//! let job = TenantJob::WelcomeMember { membership_id: membership };
//! tenants.run(context, move |conn| Outbox::enqueue(conn, &job)).await?;
//! outbox.wake();
//! # Ok(()) }
//! ```
//!
//! What deliberately does not live here: SQL (`store`), and what makes somebody wish for a mail.
//!
//! **To add a job:** a variant of [`TenantJob`] with the ids that it is about, its word in `KINDS`, an
//! arm in `attempt.rs`. It may run more than once: what it writes stands in one transaction with
//! [`store::outbox::complete`], what it sends carries the job's id.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod attempt;
mod backoff;
mod mail;
mod outbox;
mod schedule;
mod sealer;
mod settings;
mod trail;
mod views;
mod worker;

pub use self::mail::{Mailer, MailerError};
pub use self::outbox::{Outbox, TenantJob};
pub use self::settings::{JobsSettings, MailSettings, ProjectsSettings};
pub use self::trail::{Trail, TrailWriter};
pub use self::views::{ViewFlusher, Views};
pub use self::worker::{Parts, Worker};

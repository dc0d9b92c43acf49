//! A private PostgreSQL for a program that is started with one command, and for its tests.
//!
//! The problem: "install PostgreSQL, create a role, a database, a password, then set a URL" stands between a
//! developer and the first request. This crate uses the PostgreSQL that is installed on the machine, makes a cluster
//! of its own in a folder, and hands out its URL. The cluster is durable (fsync and checksums on), listens on no TCP
//! port, survives an interrupted `initdb` and a `kill -9`, is shared by all processes that name the same folder, and
//! works for root, who drops to the OS user `postgres`.
//!
//! ```no_run
//! use embedded_postgres::{Cluster, Options, Programs, home_for};
//! use std::time::Duration;
//!
//! fn main() -> Result<(), embedded_postgres::Error> {
//!     let home = home_for(None)?; // .rowhouse, or /var/lib/rowhouse for root where `postgres` cannot reach it
//!     let mut cluster = Cluster::start(Options::new(home, Programs::find()?))?;
//!     cluster.watch(Duration::from_secs(2))?; // starts PostgreSQL again when it dies
//!     println!("{}", cluster.url("postgres"));
//!     cluster.stop()?; // leaves it running while another process uses it
//!     Ok(())
//! }
//! ```
//!
//! What lies in the home: `postgres/` (the data), `postgres.log`, `start.lock` (held by whoever starts or stops),
//! `in-use.lock` (shared by all users), and `stopped` after [`Cluster::stop_running`]. The Unix socket is in
//! `/tmp/rowhouse-<hash of the data folder's path>`, mode 0700, so that its path stays below the limit of about
//! 100 bytes. Who may enter that folder is superuser: local connections are trusted.
//!
//! Deliberately not here: downloading PostgreSQL, upgrading a data folder to another major version, TCP, backups,
//! roles and schemas (the caller has the superuser's URL), and Windows. It is not meant for production.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod account;
mod cluster;
mod data_folder;
mod error;
mod home;
mod process;
mod programs;
mod server;
mod socket;
#[cfg(feature = "testing")]
pub mod testing;
mod url;
mod watch;

pub use cluster::{Cluster, End, Options};
pub use error::Error;
pub use home::home_for;
pub use programs::Programs;

//! The SQL of the tenancy kernel, as Diesel migrations.

use diesel_migrations::{EmbeddedMigrations, embed_migrations};

/// The migrations of the schema `tenancy`, versions `0000…`: they run before your own.
///
/// The roles must exist, see [`bootstrap`](crate::bootstrap()).
#[must_use]
pub fn migrations() -> EmbeddedMigrations {
    const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");
    MIGRATIONS
}

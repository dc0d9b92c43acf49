//! What a tenant has, asked in its own transaction.

use diesel::prelude::*;
use domain::{Feature, Features};
use tenant_db::TenantConn;

use crate::error::{Error, unknown_word};
use crate::schema::tenants;

/// The features of the tenant of this transaction.
///
/// # Errors
/// [`Error::Database`].
pub fn find(conn: &mut TenantConn<'_>) -> Result<Features, Error> {
    let (tier, overrides): (String, serde_json::Value) = tenants::table
        .find(conn.tenant())
        .select((tenants::subscription_tier, tenants::features))
        .first(conn)?;
    let tier = tier.parse().map_err(unknown_word)?;
    Ok(Features::new(tier, &overrides))
}

/// Whether the tenant of this transaction has it.
///
/// # Errors
/// [`Error::FeatureDisabled`].
pub fn require(conn: &mut TenantConn<'_>, feature: Feature) -> Result<(), Error> {
    let has = find(conn)?.has(feature);
    has.then_some(()).ok_or(Error::FeatureDisabled(feature))
}

//! The tenant's own row, inside its context: the only one that it sees.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::{Tenant, TenantChanges};
use tenant_db::TenantConn;
use uuid::Uuid;

use crate::error::{Error, unknown_word};
use crate::schema::tenants;

/// The tenant of this transaction.
///
/// # Errors
/// [`Error::Database`].
pub fn find(conn: &mut TenantConn<'_>) -> Result<Tenant, Error> {
    tenants::table
        .find(conn.tenant())
        .select(Row::as_select())
        .first(conn)?
        .try_into()
}

/// Changes the tenant of this transaction; without changes, it is left as it is. The database
/// refuses a caller below admin.
///
/// # Errors
/// [`Error::Database`].
pub fn update(conn: &mut TenantConn<'_>, changes: &TenantChanges) -> Result<Tenant, Error> {
    if changes.is_empty() {
        return find(conn);
    }
    diesel::update(tenants::table.find(conn.tenant()))
        .set((
            Changes {
                name: changes.name.as_ref().map(|name| name.as_str()),
                signup: changes.signup.map(domain::Signup::as_str),
                signup_domains: changes.signup_domains.as_deref(),
            },
            tenants::updated_at.eq(diesel::dsl::now),
        ))
        .returning(Row::as_returning())
        .get_result(conn)?
        .try_into()
}

#[derive(Queryable, QueryableByName, Selectable)]
#[diesel(table_name = tenants, check_for_backend(diesel::pg::Pg))]
pub(crate) struct Row {
    id: Uuid,
    slug: String,
    subdomain: String,
    name: String,
    status: String,
    subscription_tier: String,
    rate_limit_per_minute: Option<i32>,
    rate_limit_burst: Option<i32>,
    signup: String,
    signup_domains: Vec<Option<String>>,
    settings: serde_json::Value,
    branding: serde_json::Value,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for Tenant {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.id.into(),
            slug: row.slug,
            subdomain: row.subdomain,
            name: row.name,
            status: row.status.parse().map_err(unknown_word)?,
            subscription_tier: row.subscription_tier.parse().map_err(unknown_word)?,
            rate_limit_per_minute: row.rate_limit_per_minute,
            rate_limit_burst: row.rate_limit_burst,
            signup: row.signup.parse().map_err(unknown_word)?,
            signup_domains: row.signup_domains.into_iter().flatten().collect(),
            settings: row.settings,
            branding: row.branding,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

#[derive(AsChangeset)]
#[diesel(table_name = tenants)]
struct Changes<'a> {
    name: Option<&'a str>,
    signup: Option<&'a str>,
    signup_domains: Option<&'a [String]>,
}

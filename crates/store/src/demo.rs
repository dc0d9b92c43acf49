//! Three tenants to try things with: whoever runs the server for the first time should find
//! something there.

use auth::PasswordHash;
use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use domain::{AccountId, MembershipId, ProjectId};
use uuid::{Uuid, uuid};

use crate::error::Error;
use crate::schema::{accounts, credentials, memberships, projects, tenants};

/// The password of every demo login.
pub const PASSWORD: &str = "demo-rowhouse-2026";

/// A demo tenant.
#[derive(Debug, Clone, Copy)]
pub struct DemoTenant {
    /// Its id, always the same.
    pub id: Uuid,
    /// Its slug.
    pub slug: &'static str,
    /// Its name.
    pub name: &'static str,
    projects: [&'static str; 3],
}

/// The demo tenants.
pub const TENANTS: [DemoTenant; 3] = [
    DemoTenant {
        id: uuid!("7a245486-3fc8-47ec-b303-04fefe7a58ff"),
        slug: "pawnee-parks-and-rec",
        name: "Pawnee Parks and Recreation",
        projects: ["Art fair", "Harvest festival", "Lot 48"],
    },
    DemoTenant {
        id: uuid!("162be16f-f76d-431a-a213-171838ded9ae"),
        slug: "dunder-mifflin",
        name: "Dunder Mifflin",
        projects: ["Paper catalogue", "Scranton branch", "Warehouse safety"],
    },
    DemoTenant {
        id: uuid!("ebdba44d-ad48-4e73-9bd5-339e3c3fc590"),
        slug: "aliki-farms",
        name: "Aliki Farms",
        projects: ["Goat barn", "Olive press", "Spring planting"],
    },
];

/// The roles that each demo tenant has a login for: `<role>@<slug>.example`.
pub const ROLES: [&str; 3] = ["owner", "member", "viewer"];

/// Whether a demo tenant is missing; spares a start the hashing of a password.
pub(crate) fn is_missing(conn: &mut PgConnection) -> Result<bool, Error> {
    let ids = TENANTS.map(|tenant| tenant.id);
    let present: i64 = tenants::table
        .filter(tenants::id.eq_any(ids))
        .count()
        .get_result(conn)?;
    Ok(usize::try_from(present) != Ok(TENANTS.len()))
}

/// Adds the demo tenants that are missing, with logins whose password hashes to `hash`. Returns
/// how many it added. Run by the cluster's owner, as the tables' owner.
///
/// # Errors
/// [`Error::Database`].
pub fn seed(conn: &mut PgConnection, hash: &PasswordHash) -> Result<usize, Error> {
    conn.transaction(|conn| {
        conn.batch_execute("SET LOCAL ROLE rowhouse_owner")?;
        let mut added: usize = 0;
        for tenant in &TENANTS {
            let new = diesel::insert_into(tenants::table)
                .values((
                    tenants::id.eq(tenant.id),
                    tenants::slug.eq(tenant.slug),
                    tenants::subdomain.eq(tenant.slug),
                    tenants::name.eq(tenant.name),
                ))
                .on_conflict_do_nothing()
                .execute(conn)?;
            if new == 1 {
                populate(conn, tenant, hash)?;
                added = added.saturating_add(1);
            }
        }
        Ok(added)
    })
}

fn populate(
    conn: &mut PgConnection,
    tenant: &DemoTenant,
    hash: &PasswordHash,
) -> Result<(), Error> {
    let owner = MembershipId::generate().uuid();
    for role in ROLES {
        let membership = if role == "owner" {
            owner
        } else {
            MembershipId::generate().uuid()
        };
        let email = format!("{role}@{}.example", tenant.slug);
        let full_name = format!("{} of {}", capitalised(role), tenant.name);
        let account = account(conn, &email, &full_name, hash)?;
        diesel::insert_into(memberships::table)
            .values((
                memberships::tenant_id.eq(tenant.id),
                memberships::id.eq(membership),
                memberships::account_id.eq(account),
                memberships::email.eq(&email),
                memberships::full_name.eq(&full_name),
                memberships::role.eq(role),
            ))
            .execute(conn)?;
    }
    for name in tenant.projects {
        diesel::insert_into(projects::table)
            .values((
                projects::tenant_id.eq(tenant.id),
                projects::id.eq(ProjectId::generate().uuid()),
                projects::name.eq(name),
                projects::owner_id.eq(owner),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// The account with this address: a tenant that is erased leaves its members theirs.
fn account(
    conn: &mut PgConnection,
    email: &str,
    full_name: &str,
    hash: &PasswordHash,
) -> Result<Uuid, Error> {
    let known: Option<Uuid> = accounts::table
        .filter(accounts::email.eq(email))
        .filter(accounts::home_tenant_id.is_null())
        .select(accounts::id)
        .first(conn)
        .optional()?;
    if let Some(known) = known {
        return Ok(known);
    }
    let id = AccountId::generate().uuid();
    diesel::insert_into(accounts::table)
        .values((
            accounts::id.eq(id),
            accounts::email.eq(email),
            accounts::full_name.eq(full_name),
            accounts::email_verified.eq(true),
        ))
        .execute(conn)?;
    diesel::insert_into(credentials::table)
        .values((
            credentials::account_id.eq(id),
            credentials::password_hash.eq(hash.as_str()),
        ))
        .execute(conn)?;
    Ok(id)
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

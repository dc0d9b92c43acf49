//! Who did something, as a tenant knows them: of a user the membership, whose id is the one that
//! `/users` shows; an account's id is no tenant's to know.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use domain::MembershipId;
use tenant_db::TenantConn;
use uuid::Uuid;

use crate::error::Error;
use crate::schema::memberships;

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Actor {
    /// `user`, `key`, `job`, `operator`, `system`, or `stranger` for whoever was not known.
    pub kind: String,
    /// Of a user the membership; of a key or a job its own id. `None` where there is none, or none
    /// that the tenant knows.
    pub id: Option<String>,
}

/// The members that some accounts are, or were.
#[derive(Debug)]
pub(crate) struct Actors(HashMap<Uuid, MembershipId>);

impl Actors {
    /// Finds those whom the trail calls so, of every kind.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub(crate) fn find<'a>(
        conn: &mut TenantConn<'_>,
        actors: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Error> {
        let accounts: HashSet<Uuid> = actors
            .filter(|(kind, _)| *kind == "user")
            .filter_map(|(_, id)| id.parse().ok())
            .collect();
        if accounts.is_empty() {
            return Ok(Self(HashMap::new()));
        }
        // The last one counts: a place of today, or else the latest.
        let members: Vec<(Option<Uuid>, Uuid)> = memberships::table
            .filter(memberships::tenant_id.eq(conn.tenant()))
            .filter(memberships::account_id.eq_any(accounts))
            .order((memberships::removed_at.is_null(), memberships::id))
            .select((memberships::account_id, memberships::id))
            .load(conn)?;
        let known = members
            .into_iter()
            .filter_map(|(account, member)| Some((account?, member.into())));
        Ok(Self(known.collect()))
    }

    /// Whom the trail calls so.
    pub(crate) fn of(&self, kind: &str, id: Option<&str>) -> Actor {
        let id = match kind {
            "user" => id
                .and_then(|id| self.0.get(&id.parse().ok()?))
                .map(ToString::to_string),
            // A role of the database.
            "system" => None,
            _ => id.map(ToOwned::to_owned),
        };
        Actor {
            kind: kind.to_owned(),
            id,
        }
    }
}

/// The account behind a membership, of today or of the past.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn account_of(conn: &mut TenantConn<'_>, id: Uuid) -> Result<Option<Uuid>, Error> {
    let account = memberships::table
        .find((conn.tenant(), id))
        .select(memberships::account_id)
        .first::<Option<Uuid>>(conn)
        .optional()?;
    Ok(account.flatten())
}

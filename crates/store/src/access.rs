//! Why somebody sees a row, or does not: for an administrator whom a member asks. What the database
//! itself says is `tenant_db::explain_access`; here is who asks, and what our tables add.

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use std::fmt;
use tenant_db::{AccessAnswer, AccessQuestion, Level, explain_access};
use uuid::Uuid;

use crate::context::base_role;
use crate::error::Error;

/// A row, and who would see or change it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The tenant: its slug or its id.
    pub tenant: String,
    /// Who asks: an e-mail address, or the id of an account or a user.
    pub actor: String,
    /// The table.
    pub table: String,
    /// The row's id.
    pub id: String,
    /// Whether it is to be changed.
    pub for_update: bool,
}

/// Why a row is seen, or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// It is, and can be changed where that was asked.
    Granted,
    /// No tenant has this slug or id.
    NoSuchTenant,
    /// Nobody works in the tenant: it is suspended, or about to be erased.
    TenantClosed(String),
    /// Nobody in the tenant has this address or id.
    NotAMember,
    /// Whoever asks was removed, suspended, or has not accepted the invitation.
    MemberOut(String),
    /// What the database says.
    Refused(AccessAnswer),
    /// The row is deleted and can be restored: the API shows it to admins who ask for it.
    SoftDeleted,
}

impl Access {
    /// Whether the row is seen, or can be changed.
    #[must_use]
    pub fn is_granted(&self) -> bool {
        *self == Self::Granted
    }

    /// Whether the question itself was wrong: no such tenant, no such table.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        let no_table = Self::Refused(AccessAnswer::NotATenantTable);
        *self == Self::NoSuchTenant || *self == no_table
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Granted => f.write_str("nothing stands in the way"),
            Self::NoSuchTenant => f.write_str("there is no such tenant"),
            Self::TenantClosed(status) => write!(f, "the tenant is {status}: nobody works in it"),
            Self::NotAMember => f.write_str("nobody in the tenant has this address or id"),
            Self::MemberOut(status) => write!(f, "the member is {status}"),
            Self::Refused(answer) => answer.fmt(f),
            Self::SoftDeleted => f.write_str(
                "the row is deleted and can be restored; the API shows it to admins who ask with deleted=true",
            ),
        }
    }
}

/// The first reason, in the order in which a request meets them.
///
/// # Errors
/// [`Error::Database`], also when the role of the connection is neither a superuser nor who made the roles.
pub(crate) fn explain(conn: &mut PgConnection, asked: &Asked) -> Result<Access, Error> {
    let found = as_door(conn, |conn| who(conn, asked))?;
    let (tenant, role) = match found {
        Ok(found) => found,
        Err(access) => return Ok(access),
    };
    let answer = explain_access(
        conn,
        &AccessQuestion {
            table: &asked.table,
            id: &asked.id,
            tenant,
            role: base_role(role.parse().map_err(Error::unreadable)?),
            for_update: asked.for_update,
        },
    )?;
    match answer {
        AccessAnswer::Granted if as_door(conn, |conn| is_deleted(conn, asked))? => {
            Ok(Access::SoftDeleted)
        }
        AccessAnswer::Granted => Ok(Access::Granted),
        answer => Ok(Access::Refused(answer)),
    }
}

/// Reads as the doors do, where policies bind the role of the connection: at level managed.
fn as_door<T>(
    conn: &mut PgConnection,
    read: impl FnOnce(&mut PgConnection) -> QueryResult<T>,
) -> Result<T, Error> {
    let level = Level::of_role(conn)?;
    Ok(conn.transaction(|conn| {
        if level == Level::Managed {
            conn.batch_execute("SET LOCAL ROLE rowhouse_directory")?;
        }
        read(conn)
    })?)
}

/// The tenant and the member's role; or why that is all there is to say.
fn who(conn: &mut PgConnection, asked: &Asked) -> QueryResult<Result<(Uuid, String), Access>> {
    let Some(tenant) = find_tenant(conn, &asked.tenant)? else {
        return Ok(Err(Access::NoSuchTenant));
    };
    if tenant.status != "active" {
        return Ok(Err(Access::TenantClosed(tenant.status)));
    }
    let Some(member) = find_member(conn, tenant.id, &asked.actor)? else {
        return Ok(Err(Access::NotAMember));
    };
    if member.removed_at.is_some() {
        return Ok(Err(Access::MemberOut("removed".to_owned())));
    }
    if member.status != "active" {
        return Ok(Err(Access::MemberOut(member.status)));
    }
    Ok(Ok((tenant.id, member.role)))
}

fn find_tenant(conn: &mut PgConnection, tenant: &str) -> QueryResult<Option<TenantRow>> {
    diesel::sql_query("SELECT id, status FROM tenants WHERE slug = $1 OR id::text = lower($1)")
        .bind::<Text, _>(tenant)
        .get_result(conn)
        .optional()
}

/// Whoever is a member today goes before whoever was.
fn find_member(
    conn: &mut PgConnection,
    tenant: Uuid,
    actor: &str,
) -> QueryResult<Option<MemberRow>> {
    diesel::sql_query(
        "SELECT role, status, removed_at FROM memberships
         WHERE tenant_id = $1
             AND (email = lower($2) OR id::text = lower($2) OR account_id::text = lower($2))
         ORDER BY removed_at IS NULL DESC, removed_at DESC LIMIT 1",
    )
    .bind::<SqlUuid, _>(tenant)
    .bind::<Text, _>(actor)
    .get_result(conn)
    .optional()
}

/// Of the tables only projects keep what was deleted.
fn is_deleted(conn: &mut PgConnection, asked: &Asked) -> QueryResult<bool> {
    if asked.table.trim_start_matches("public.") != "projects" {
        return Ok(false);
    }
    let row: Option<DeletedRow> =
        diesel::sql_query("SELECT is_deleted AS deleted FROM projects WHERE id::text = $1")
            .bind::<Text, _>(&asked.id)
            .get_result(conn)
            .optional()?;
    Ok(row.is_some_and(|row| row.deleted))
}

#[derive(QueryableByName)]
struct TenantRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    status: String,
}

#[derive(QueryableByName)]
struct MemberRow {
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    removed_at: Option<chrono::DateTime<chrono::Utc>>,
}

#[derive(QueryableByName)]
struct DeletedRow {
    #[diesel(sql_type = Bool)]
    deleted: bool,
}

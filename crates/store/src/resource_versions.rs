//! What resources were until they were replaced, inside one tenant. The database writes these rows,
//! whatever changes a resource; nobody else can.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::{Resource, ResourceId, ResourceVersion};
use serde_json::Value;
use tenant_db::TenantConn;
use uuid::Uuid;

use crate::error::Error;
use crate::resources::{self, Changes};
use crate::schema::resource_versions;

/// At most `limit` former versions, newest first, those before `before` when it is given. The
/// current one is no former one.
///
/// # Errors
/// [`Error::NotFound`] when the resource is not there.
pub fn list(
    conn: &mut TenantConn<'_>,
    id: ResourceId,
    before: Option<i32>,
    limit: i64,
) -> Result<Vec<ResourceVersion>, Error> {
    let resource = resources::find(conn, id)?;
    let mut query = resource_versions::table
        .filter(resource_versions::tenant_id.eq(conn.tenant()))
        .filter(resource_versions::resource_id.eq(id.uuid()))
        .order(resource_versions::version.desc())
        .limit(limit)
        .select(Row::as_select())
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(resource_versions::version.lt(before));
    }
    let rows = query.load(conn)?;
    Ok(rows.into_iter().map(|row| row.of(&resource)).collect())
}

/// One former version.
///
/// # Errors
/// [`Error::NotFound`] when the resource is not there, or has no such former version.
pub fn find(
    conn: &mut TenantConn<'_>,
    id: ResourceId,
    version: i32,
) -> Result<ResourceVersion, Error> {
    let resource = resources::find(conn, id)?;
    Ok(find_row(conn, id, version)?.of(&resource))
}

/// Makes the resource again what it was: a change like any other, with a version of its own.
///
/// # Errors
/// As [`find`].
pub fn restore(conn: &mut TenantConn<'_>, id: ResourceId, version: i32) -> Result<Resource, Error> {
    let row = find_row(conn, id, version)?;
    let changes = Changes {
        name: Some(&row.name),
        type_: Some(row.type_.as_deref()),
        data: Some(row.data),
    };
    resources::write(conn, id, changes)
}

fn find_row(conn: &mut TenantConn<'_>, id: ResourceId, version: i32) -> Result<Row, Error> {
    Ok(resource_versions::table
        .find((conn.tenant(), id.uuid(), version))
        .select(Row::as_select())
        .first(conn)?)
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = resource_versions, check_for_backend(diesel::pg::Pg))]
struct Row {
    version: i32,
    name: String,
    type_: Option<String>,
    data: Value,
    updated_at: DateTime<Utc>,
    replaced_at: DateTime<Utc>,
    replaced_by: Option<Uuid>,
}

impl Row {
    /// What does not change is the resource's own.
    fn of(self, resource: &Resource) -> ResourceVersion {
        ResourceVersion {
            resource: Resource {
                id: resource.id,
                tenant_id: resource.tenant_id,
                project_id: resource.project_id,
                name: self.name,
                kind: self.type_,
                data: self.data,
                version: self.version,
                created_by: resource.created_by,
                created_at: resource.created_at,
                updated_at: self.updated_at,
            },
            replaced_at: self.replaced_at,
            replaced_by: self.replaced_by.map(Into::into),
        }
    }
}

//! Resources, inside one tenant. One whose project is deleted is not there until the project is
//! restored. What they were before is `resource_versions.rs`.

use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use domain::{NewResource, ProjectId, Resource, ResourceChanges, ResourceId};
use serde_json::Value;
use tenant_db::TenantConn;
use uuid::Uuid;

use crate::error::Error;
use crate::projects::{self, Shown};
use crate::schema::{projects as project_table, resources};

/// Which resources a list shows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// Only those of this project; all when `None`.
    pub project_id: Option<ProjectId>,
}

/// That the project stands.
#[diesel::dsl::auto_type(no_type_alias)]
fn in_a_standing_project() -> _ {
    exists(
        project_table::table
            .filter(project_table::tenant_id.eq(resources::tenant_id))
            .filter(project_table::id.eq(resources::project_id))
            .filter(project_table::is_deleted.eq(false)),
    )
}

/// At most `limit` resources, newest first, those after `after` when it is given.
///
/// # Errors
/// [`Error::NotFound`] when the filter's project is not there.
pub fn list(
    conn: &mut TenantConn<'_>,
    filter: Filter,
    after: Option<ResourceId>,
    limit: i64,
) -> Result<Vec<Resource>, Error> {
    let mut query = resources::table
        .filter(resources::tenant_id.eq(conn.tenant()))
        .filter(in_a_standing_project())
        .order(resources::id.desc())
        .limit(limit)
        .select(Row::as_select())
        .into_boxed();
    if let Some(project) = filter.project_id {
        query = query.filter(resources::project_id.eq(project.uuid()));
    }
    if let Some(after) = after {
        query = query.filter(resources::id.lt(after.uuid()));
    }
    let rows = query.load(conn)?;
    if let (Some(project), true) = (filter.project_id, rows.is_empty()) {
        projects::find(conn, project, Shown::Standing)?;
    }
    Ok(rows.into_iter().map(Resource::from).collect())
}

/// One resource.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has none with this id, or its project is deleted.
pub fn find(conn: &mut TenantConn<'_>, id: ResourceId) -> Result<Resource, Error> {
    let row: Row = resources::table
        .find((conn.tenant(), id.uuid()))
        .filter(in_a_standing_project())
        .select(Row::as_select())
        .first(conn)?;
    Ok(row.into())
}

/// One resource, locked until the transaction ends.
///
/// # Errors
/// As [`find`]; also for a viewer, who may not lock.
pub fn lock(conn: &mut TenantConn<'_>, id: ResourceId) -> Result<Resource, Error> {
    let row: Row = resources::table
        .find((conn.tenant(), id.uuid()))
        .filter(in_a_standing_project())
        .select(Row::as_select())
        .for_update()
        .first(conn)?;
    Ok(row.into())
}

/// A new resource of the caller's.
///
/// # Errors
/// [`Error::NotFound`] when its project is not there.
pub fn insert(conn: &mut TenantConn<'_>, new: &NewResource) -> Result<Resource, Error> {
    projects::find(conn, new.project_id, Shown::Standing)?;
    // The database says who made it.
    let row: Row = diesel::insert_into(resources::table)
        .values((
            resources::tenant_id.eq(conn.tenant()),
            resources::id.eq(ResourceId::generate().uuid()),
            resources::project_id.eq(new.project_id.uuid()),
            resources::name.eq(new.name.as_str()),
            resources::type_.eq(new.kind.as_ref().map(|kind| kind.as_str())),
            resources::data.eq(new.data.clone().into_value()),
        ))
        .returning(Row::as_returning())
        .get_result(conn)?;
    Ok(row.into())
}

/// Changes a resource; without changes, it is left as it is. The database keeps what it was.
/// Whoever must know which version is changed calls [`lock`] first.
///
/// # Errors
/// As [`find`].
pub fn update(
    conn: &mut TenantConn<'_>,
    id: ResourceId,
    changes: &ResourceChanges,
) -> Result<Resource, Error> {
    if changes.is_empty() {
        return find(conn, id);
    }
    let changes = Changes {
        name: changes.name.as_ref().map(|name| name.as_str()),
        type_: changes
            .kind
            .as_ref()
            .map(|kind| kind.as_ref().map(|kind| kind.as_str())),
        data: changes.data.clone().map(|data| data.into_value()),
    };
    write(conn, id, changes)
}

pub(crate) fn write(
    conn: &mut TenantConn<'_>,
    id: ResourceId,
    changes: Changes<'_>,
) -> Result<Resource, Error> {
    let row: Row = diesel::update(resources::table.find((conn.tenant(), id.uuid())))
        .filter(in_a_standing_project())
        .set(changes)
        .returning(Row::as_returning())
        .get_result(conn)?;
    Ok(row.into())
}

/// Deletes a resource with all that it was, for good.
///
/// # Errors
/// As [`find`].
pub fn delete(conn: &mut TenantConn<'_>, id: ResourceId) -> Result<(), Error> {
    let deleted = diesel::delete(resources::table.find((conn.tenant(), id.uuid())))
        .filter(in_a_standing_project())
        .execute(conn)?;
    match deleted {
        0 => Err(Error::NotFound),
        _ => Ok(()),
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = resources, check_for_backend(diesel::pg::Pg))]
pub(crate) struct Row {
    tenant_id: Uuid,
    id: Uuid,
    project_id: Uuid,
    name: String,
    type_: Option<String>,
    data: Value,
    version: i32,
    created_by: Uuid,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for Resource {
    fn from(row: Row) -> Self {
        Self {
            id: row.id.into(),
            tenant_id: row.tenant_id.into(),
            project_id: row.project_id.into(),
            name: row.name,
            kind: row.type_,
            data: row.data,
            version: row.version,
            created_by: row.created_by.into(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

#[derive(AsChangeset)]
#[diesel(table_name = resources)]
pub(crate) struct Changes<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) type_: Option<Option<&'a str>>,
    pub(crate) data: Option<Value>,
}

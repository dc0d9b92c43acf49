//! Projects, inside one tenant. Deleted ones stay until they are purged.

use chrono::{DateTime, Utc};
use diesel::declare_sql_function;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Text, Uuid as SqlUuid};
use domain::{
    AccountId, NamePrefix, NewProject, Project, ProjectChanges, ProjectId, ProjectName,
    ProjectSort, ProjectStatus,
};
use serde::{Deserialize, Serialize};
use tenant_db::TenantConn;
use uuid::Uuid;

use crate::error::{Error, unknown_word};
use crate::memberships;
use crate::plan_limits::{Growth, Room};
use crate::schema::projects;

/// The last of all characters: nothing that goes on stands behind enough of it.
const LAST: &str = "\u{10ffff}";

#[declare_sql_function]
extern "SQL" {
    /// What names are compared by; see the migration `projects_in_full`.
    fn search_key(text: Text) -> Text;

    /// The door that erases what was deleted long ago.
    #[sql_name = "directory.purge_projects"]
    fn purge_projects(days: Integer, most: Integer) -> BigInt;

    /// The door by which views are counted.
    #[sql_name = "directory.count_views"]
    fn count_project_views(projects: Array<SqlUuid>, views: Array<BigInt>) -> BigInt;
}

/// Which projects a list shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those with this status; all when `None`.
    pub status: Option<ProjectStatus>,
    /// Only those whose names begin so, regardless of case; all when `None`.
    pub prefix: Option<NamePrefix>,
    /// Those that stand, or those that were deleted.
    pub shown: Shown,
}

/// Where in its order a list goes on: behind this project, whether or not it is still there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Position {
    /// In an order by time: when it was made.
    Created(DateTime<Utc>, ProjectId),
    /// In an order by name: what its name is compared by.
    Name(String, ProjectId),
}

/// Whether deleted projects are meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Shown {
    /// Projects that stand.
    #[default]
    Standing,
    /// Deleted projects, which admins may see.
    Deleted,
}

/// Whose projects somebody may delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Everybody's.
    All,
    /// Only those that this account's membership owns.
    Own(AccountId),
}

/// At most `limit` projects in this order, those behind `after` when it is given; each with its
/// position. A position of another order is as good as none.
///
/// # Errors
/// [`Error::Database`].
pub fn list(
    conn: &mut TenantConn<'_>,
    filter: &Filter,
    sort: ProjectSort,
    after: Option<Position>,
    limit: i64,
) -> Result<Vec<(Project, Position)>, Error> {
    let mut query = projects::table
        .filter(projects::tenant_id.eq(conn.tenant()))
        .filter(projects::is_deleted.eq(filter.shown == Shown::Deleted))
        .limit(limit)
        .select((Row::as_select(), projects::name_key))
        .into_boxed();
    if let Some(status) = filter.status {
        query = query.filter(projects::status.eq(status.as_str()));
    }
    if let Some(prefix) = &filter.prefix {
        let first = search_key(prefix.as_str());
        let beyond = search_key(prefix.as_str()).concat(LAST.repeat(ProjectName::MAX));
        query = query.filter(projects::name_key.ge(first));
        query = query.filter(projects::name_key.lt(beyond));
    }
    // Said twice of the first column, so that an index leads to the place.
    query = match (sort, after) {
        (ProjectSort::Newest, Some(Position::Created(at, id))) => query.filter(
            projects::created_at
                .le(at)
                .and(projects::created_at.lt(at).or(projects::id.lt(id.uuid()))),
        ),
        (ProjectSort::Oldest, Some(Position::Created(at, id))) => query.filter(
            projects::created_at
                .ge(at)
                .and(projects::created_at.gt(at).or(projects::id.gt(id.uuid()))),
        ),
        (ProjectSort::Name, Some(Position::Name(key, id))) => query.filter(
            projects::name_key
                .ge(key.clone())
                .and(projects::name_key.gt(key).or(projects::id.gt(id.uuid()))),
        ),
        (ProjectSort::NameDescending, Some(Position::Name(key, id))) => query.filter(
            projects::name_key
                .le(key.clone())
                .and(projects::name_key.lt(key).or(projects::id.lt(id.uuid()))),
        ),
        _ => query,
    };
    query = match sort {
        ProjectSort::Newest => query.order((projects::created_at.desc(), projects::id.desc())),
        ProjectSort::Oldest => query.order((projects::created_at, projects::id)),
        ProjectSort::Name => query.order((projects::name_key, projects::id)),
        ProjectSort::NameDescending => {
            query.order((projects::name_key.desc(), projects::id.desc()))
        }
    };
    let rows: Vec<(Row, String)> = query.load(conn)?;
    rows.into_iter()
        .map(|(row, key)| {
            let project = Project::try_from(row)?;
            let position = match sort {
                ProjectSort::Newest | ProjectSort::Oldest => {
                    Position::Created(project.created_at, project.id)
                }
                ProjectSort::Name | ProjectSort::NameDescending => Position::Name(key, project.id),
            };
            Ok((project, position))
        })
        .collect()
}

/// One project.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has none with this id that is `shown`.
pub fn find(conn: &mut TenantConn<'_>, id: ProjectId, shown: Shown) -> Result<Project, Error> {
    projects::table
        .find((conn.tenant(), id.uuid()))
        .filter(projects::is_deleted.eq(shown == Shown::Deleted))
        .select(Row::as_select())
        .first(conn)?
        .try_into()
}

/// One project, locked until the transaction ends.
///
/// # Errors
/// As [`find`]; also for a viewer, who may not lock.
pub fn lock(conn: &mut TenantConn<'_>, id: ProjectId, shown: Shown) -> Result<Project, Error> {
    projects::table
        .find((conn.tenant(), id.uuid()))
        .filter(projects::is_deleted.eq(shown == Shown::Deleted))
        .select(Row::as_select())
        .for_update()
        .first(conn)?
        .try_into()
}

/// A new project, owned by the membership of `account`.
///
/// # Errors
/// [`Error::Database`].
pub fn insert(
    conn: &mut TenantConn<'_>,
    room: &mut Room,
    account: AccountId,
    new: &NewProject,
) -> Result<Project, Error> {
    room.take(Growth::Project);
    let tenant = conn.tenant();
    diesel::insert_into(projects::table)
        .values((
            projects::tenant_id.eq(tenant),
            projects::id.eq(ProjectId::generate().uuid()),
            projects::name.eq(new.name.as_str()),
            projects::description.eq(new.description.as_ref().map(|text| text.as_str())),
            projects::status.eq(new.status.as_str()),
            projects::owner_id.eq(memberships::id_of(tenant, account)
                .single_value()
                .assume_not_null()),
        ))
        .returning(Row::as_returning())
        .get_result(conn)?
        .try_into()
}

/// Changes a project that stands; without changes, it is left as it is. Whoever must know which
/// version is changed calls [`lock`] first.
///
/// # Errors
/// [`Error::NotFound`].
pub fn update(
    conn: &mut TenantConn<'_>,
    id: ProjectId,
    changes: &ProjectChanges,
) -> Result<Project, Error> {
    if changes.is_empty() {
        return find(conn, id, Shown::Standing);
    }
    diesel::update(projects::table.find((conn.tenant(), id.uuid())))
        .filter(projects::is_deleted.eq(false))
        .set((
            Changes {
                name: changes.name.as_ref().map(|name| name.as_str()),
                description: changes
                    .description
                    .as_ref()
                    .map(|text| text.as_ref().map(|text| text.as_str())),
                status: changes.status.map(ProjectStatus::as_str),
            },
            projects::version.eq(projects::version + 1),
            projects::updated_at.eq(diesel::dsl::now),
        ))
        .returning(Row::as_returning())
        .get_result(conn)?
        .try_into()
}

/// Deletes a project softly: it can be restored.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::NotAllowed`] when it stands beyond `reach`.
pub fn delete(conn: &mut TenantConn<'_>, id: ProjectId, reach: Reach) -> Result<(), Error> {
    let tenant = conn.tenant();
    let target = diesel::update(projects::table.find((tenant, id.uuid())))
        .filter(projects::is_deleted.eq(false))
        .set((
            projects::is_deleted.eq(true),
            projects::deleted_at.eq(diesel::dsl::now),
            projects::version.eq(projects::version + 1),
            projects::updated_at.eq(diesel::dsl::now),
        ));
    let deleted = match reach {
        Reach::All => target.execute(conn)?,
        Reach::Own(account) => target
            .filter(
                projects::owner_id
                    .nullable()
                    .eq(memberships::id_of(tenant, account).single_value()),
            )
            .execute(conn)?,
    };
    if deleted == 0 {
        find(conn, id, Shown::Standing)?;
        return Err(Error::NotAllowed);
    }
    Ok(())
}

/// Brings a deleted project back.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::NotDeleted`] when it stands.
pub fn restore(
    conn: &mut TenantConn<'_>,
    room: &mut Room,
    id: ProjectId,
) -> Result<Project, Error> {
    room.take(Growth::Project);
    let restored = diesel::update(projects::table.find((conn.tenant(), id.uuid())))
        .filter(projects::is_deleted.eq(true))
        .set((
            projects::is_deleted.eq(false),
            projects::deleted_at.eq(None::<DateTime<Utc>>),
            projects::version.eq(projects::version + 1),
            projects::updated_at.eq(diesel::dsl::now),
        ))
        .returning(Row::as_returning())
        .get_result(conn)
        .optional()?;
    match restored {
        Some(row) => row.try_into(),
        None => {
            find(conn, id, Shown::Standing)?;
            Err(Error::NotDeleted)
        }
    }
}

/// Erases at most `most` projects that were deleted this many days ago, with all that is in them,
/// for good. Answers how many.
///
/// # Errors
/// [`tenant_db::Error::Stale`] for whoever is no job.
pub fn purge(conn: &mut TenantConn<'_>, days: i32, most: i32) -> Result<i64, Error> {
    Ok(diesel::select(purge_projects(days, most)).get_result(conn)?)
}

/// Adds to the view counts of projects; versions and times of change stay. Ends the job that acts,
/// see [`IdentityDb::open_view_counts`](crate::IdentityDb::open_view_counts). Projects that are not
/// there any more are passed over.
///
/// # Errors
/// [`tenant_db::Error::Stale`] for whoever is no such job.
pub fn count_views(
    conn: &mut TenantConn<'_>,
    views: impl IntoIterator<Item = (ProjectId, i64)>,
) -> Result<(), Error> {
    let (ids, counts): (Vec<Uuid>, Vec<i64>) = views
        .into_iter()
        .map(|(id, count)| (id.uuid(), count))
        .unzip();
    let _: i64 = diesel::select(count_project_views(ids, counts)).get_result(conn)?;
    Ok(())
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = projects, check_for_backend(diesel::pg::Pg))]
struct Row {
    tenant_id: Uuid,
    id: Uuid,
    name: String,
    description: Option<String>,
    status: String,
    owner_id: Uuid,
    is_deleted: bool,
    deleted_at: Option<DateTime<Utc>>,
    view_count: i64,
    version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for Project {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.id.into(),
            tenant_id: row.tenant_id.into(),
            name: row.name,
            description: row.description,
            status: row.status.parse().map_err(unknown_word)?,
            owner_id: row.owner_id.into(),
            is_deleted: row.is_deleted,
            deleted_at: row.deleted_at,
            view_count: row.view_count,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

#[derive(AsChangeset)]
#[diesel(table_name = projects)]
struct Changes<'a> {
    name: Option<&'a str>,
    description: Option<Option<&'a str>>,
    status: Option<&'a str>,
}

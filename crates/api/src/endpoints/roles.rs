//! `/roles`: the built-in roles, and those that the tenant made for itself.

use actix_web::{HttpResponse, web::Data};
use auth::{Permission, PermissionSet};
use domain::{CustomRole, CustomRoleName, Feature, Role, RoleId};
use serde::{Deserialize, Serialize};
use store::{
    features,
    roles::{self, RoleChanges},
    within_plan,
};
use utoipa::ToSchema;

use super::NoFilters;
use crate::{
    authenticate::Authorized,
    error::{ApiError, FieldErrorCode},
    etag::{ETag, IfMatch, Versioned},
    extract::{Patch, PathId},
    grant,
    idempotency::{Answer, OnceBody},
    list::{List, ListQuery, PageParams},
    openapi::{CreateRoleProblems, DeleteRoleProblems, UpdateRoleProblems},
    patchable::Patchable,
    permission_list, require,
    services::Services,
    validation::Validation,
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateRole {
    #[schema(example = "auditor", pattern = "^[a-z][a-z0-9_]{0,31}$")]
    name: String,
    /// The built-in role whose permissions are the most that it may have: `viewer`, `member` or
    /// `admin`.
    #[schema(example = "viewer")]
    based_on: String,
    /// Some of them, and none that the caller has not.
    #[schema(example = json!(["projects:read"]))]
    permissions: Vec<String>,
}

struct NewRole {
    name: CustomRoleName,
    based_on: Role,
    permissions: PermissionSet,
}

impl TryFrom<CreateRole> for NewRole {
    type Error = ApiError;

    fn try_from(body: CreateRole) -> Result<Self, ApiError> {
        let mut v = Validation::new();
        let name = v.parse("/name", CustomRoleName::parse(&body.name));
        let based_on = v.parse("/based_on", parse_base(&body.based_on));
        let permissions = parse_permissions(&mut v, &body.permissions, based_on);
        v.finish(|| {
            Some(Self {
                name: name?,
                based_on: based_on?,
                permissions: permissions?,
            })
        })
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchRole {
    #[serde(default)]
    #[schema(example = "reviewer", value_type = String, required = false, pattern = "^[a-z][a-z0-9_]{0,31}$")]
    name: Patchable<String>,
    /// `viewer`, `member` or `admin`.
    #[serde(default)]
    #[schema(example = "member", value_type = String, required = false)]
    based_on: Patchable<String>,
    /// All of them: what is not named is taken away.
    #[serde(default)]
    #[schema(value_type = Vec<String>, required = false, example = json!(["projects:read"]))]
    permissions: Patchable<Vec<String>>,
}

/// What a patch says, before it is known what the role is based on.
struct Patched {
    name: Option<CustomRoleName>,
    based_on: Option<Role>,
    permissions: Option<Vec<String>>,
}

impl TryFrom<PatchRole> for Patched {
    type Error = ApiError;

    fn try_from(body: PatchRole) -> Result<Self, ApiError> {
        let mut v = Validation::new();
        let name = v.change("/name", body.name, |text| CustomRoleName::parse(&text));
        let based_on = v.change("/based_on", body.based_on, |text| parse_base(&text));
        let permissions = v.change("/permissions", body.permissions, Ok::<_, &str>);
        if let Some(Some(words)) = &permissions {
            // The words alone; whether the base has them needs the role.
            parse_permissions(&mut v, words, None);
        }
        v.finish(|| {
            Some(Self {
                name: name?,
                based_on: based_on?,
                permissions: permissions?,
            })
        })
    }
}

impl Patched {
    /// The changes of this role, and all that it then permits.
    fn of(self, role: &CustomRole) -> Result<(RoleChanges, PermissionSet), ApiError> {
        let base = self.based_on.unwrap_or(role.based_on);
        let mut v = Validation::new();
        let changed = match &self.permissions {
            Some(words) => parse_permissions(&mut v, words, Some(base)).map(Some),
            None => Some(None),
        };
        let standing = grant::permissions_of(role);
        if self.permissions.is_none() && standing.weakest_role() > base {
            let detail = format!("{base} has not all of the role's permissions");
            v.refuse("/based_on", FieldErrorCode::Invalid, detail);
        }
        let permissions = v.finish(|| changed)?;
        let whole = permissions.clone().unwrap_or(standing);
        let changes = RoleChanges {
            name: self.name,
            based_on: self.based_on,
            permissions,
        };
        Ok((changes, whole))
    }
}

/// A role as admins see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Role)]
pub(crate) struct RoleView {
    #[schema(value_type = Uuid)]
    id: RoleId,
    #[schema(example = "auditor")]
    name: String,
    built_in: bool,
    /// The built-in role that bounds it; its own name where it is one.
    #[schema(schema_with = crate::openapi::role)]
    based_on: Role,
    #[schema(example = json!(["projects:read"]))]
    permissions: Vec<&'static str>,
}

impl From<Role> for RoleView {
    fn from(role: Role) -> Self {
        Self {
            id: role.id(),
            name: role.to_string(),
            built_in: true,
            based_on: role,
            permissions: PermissionSet::of(role).words(),
        }
    }
}

impl From<CustomRole> for RoleView {
    fn from(role: CustomRole) -> Self {
        Self {
            id: role.id,
            built_in: false,
            based_on: role.based_on,
            permissions: grant::permissions_of(&role).words(),
            name: role.name.to_string(),
        }
    }
}

/// A page of roles, as a client gets it.
#[derive(ToSchema)]
#[schema(as = RoleList)]
#[expect(dead_code, reason = "describes what list.rs writes")]
pub(crate) struct RoleListView {
    data: Vec<RoleView>,
    /// For the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// The roles of the tenant: the built-in ones, then its own, oldest first.
#[utoipa::path(
    get, path = "/api/v1/roles", tag = "roles", operation_id = "list_roles", security(("bearer" = [])),
    params(PageParams),
    responses(
        (status = 200, body = RoleListView, headers(("Link" = String, description = "`rel=\"next\"`, where there is a next page")))
    ),
)]
pub(crate) async fn list(
    caller: Authorized<require::RolesRead>,
    query: ListQuery<NoFilters>,
    services: Data<Services>,
) -> Result<List<RoleView>, ApiError> {
    let page = query.page::<RoleId>(caller.tenant().id)?;
    let (after, limit) = (page.after().copied(), page.rows_to_read());
    let custom = services
        .tenants
        .read(caller.context(), move |conn| {
            Ok::<_, ApiError>(roles::list(conn, after, limit)?)
        })
        .await?;
    let built_in = Role::ALL
        .iter()
        .filter(|role| after.is_none_or(|after| role.id() > after));
    let views = built_in
        .map(|role| RoleView::from(*role))
        .chain(custom.into_iter().map(RoleView::from))
        .collect();
    page.answer(views, |role| role.id, |role| role)
}

/// One role.
#[utoipa::path(
    get, path = "/api/v1/roles/{id}", tag = "roles", operation_id = "get_role", security(("bearer" = [])),
    params(("id" = Uuid, Path), ("If-None-Match" = Option<String>, Header)),
    responses(
        (status = 200, body = RoleView, headers(("ETag" = String))),
        (status = 304, description = "The client has this version.")
    ),
)]
pub(crate) async fn find(
    caller: Authorized<require::RolesRead>,
    PathId(id): PathId<RoleId>,
    services: Data<Services>,
) -> Result<Versioned<RoleView>, ApiError> {
    let role = services
        .tenants
        .read(caller.context(), move |conn| {
            Ok::<_, ApiError>(match built_in(id) {
                Some(role) => role.into(),
                None => roles::find(conn, id)?.into(),
            })
        })
        .await?;
    Versioned::whole(role)
}

/// A new role.
#[utoipa::path(
    post, path = "/api/v1/roles", tag = "roles", operation_id = "create_role", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = CreateRole,
    responses(
        (status = 201, body = RoleView, headers(("ETag" = String), ("Location" = String))),
        CreateRoleProblems,
    ),
)]
pub(crate) async fn create(
    caller: Authorized<require::RolesWrite>,
    OnceBody(body, once): OnceBody<CreateRole>,
    services: Data<Services>,
) -> Result<Answer<RoleView>, ApiError> {
    let new: NewRole = body.try_into()?;
    grant::within(caller.principal(), &new.permissions)?;
    let limits = services.limits;
    once.run(&services, &caller, move |conn| {
        features::require(conn, Feature::CustomRoles)?;
        let role = within_plan(conn, &limits, |conn, room| {
            roles::insert(conn, room, &new.name, new.based_on, &new.permissions)
        })?;
        Versioned::made(format!("/api/v1/roles/{}", role.id), role.into())
    })
    .await
}

/// Changes what the body names (JSON Merge Patch, RFC 7396), for all who have the role: their
/// access tokens are stale, and a refresh brings the new rights.
#[utoipa::path(
    patch, path = "/api/v1/roles/{id}", tag = "roles", operation_id = "update_role", security(("bearer" = [])),
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header)),
    request_body(content(
        (PatchRole = "application/merge-patch+json"),
        (PatchRole = "application/json"),
    )),
    responses((status = 200, body = RoleView, headers(("ETag" = String))), UpdateRoleProblems),
)]
pub(crate) async fn update(
    caller: Authorized<require::RolesWrite>,
    PathId(id): PathId<RoleId>,
    if_match: IfMatch,
    Patch(body): Patch<PatchRole>,
    services: Data<Services>,
) -> Result<Versioned<RoleView>, ApiError> {
    let patched: Patched = body.try_into()?;
    let principal = caller.principal().clone();
    let role = services
        .tenants
        .run(caller.context(), move |conn| {
            if built_in(id).is_some() {
                return Err(ApiError::BuiltInRole);
            }
            let role = roles::lock(conn, id)?;
            if_match.check(|| tag(&role))?;
            grant::within(&principal, &grant::permissions_of(&role))?;
            let (changes, permissions) = patched.of(&role)?;
            grant::within(&principal, &permissions)?;
            Ok(roles::update(conn, id, &changes)?)
        })
        .await?;
    Versioned::whole(role.into())
}

/// Deletes a role that no member has.
#[utoipa::path(
    delete, path = "/api/v1/roles/{id}", tag = "roles", operation_id = "delete_role", security(("bearer" = [])),
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204, description = "It is gone."), DeleteRoleProblems),
)]
pub(crate) async fn delete(
    caller: Authorized<require::RolesWrite>,
    PathId(id): PathId<RoleId>,
    if_match: IfMatch,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let principal = caller.principal().clone();
    services
        .tenants
        .run(caller.context(), move |conn| {
            if built_in(id).is_some() {
                return Err(ApiError::BuiltInRole);
            }
            let role = roles::lock(conn, id)?;
            if_match.check(|| tag(&role))?;
            grant::within(&principal, &grant::permissions_of(&role))?;
            Ok(roles::delete(conn, id)?)
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

fn tag(role: &CustomRole) -> Result<ETag, ApiError> {
    ETag::of(&RoleView::from(role.clone()))
}

fn built_in(id: RoleId) -> Option<Role> {
    Role::ALL.iter().copied().find(|role| role.id() == id)
}

/// An owner's permissions are the owners'.
fn parse_base(text: &str) -> Result<Role, &'static str> {
    match text.parse() {
        Ok(Role::Owner) | Err(_) => Err("must be viewer, member or admin"),
        Ok(role) => Ok(role),
    }
}

/// Without a base, whatever is a permission will do.
fn parse_permissions(
    v: &mut Validation,
    words: &[String],
    base: Option<Role>,
) -> Option<PermissionSet> {
    permission_list::parse(
        v,
        "/permissions",
        words,
        |permission: Permission| match base {
            Some(base) if permission.weakest_role() > base => {
                Err(format!("is not a permission of {base}"))
            }
            _ => Ok(()),
        },
    )
}

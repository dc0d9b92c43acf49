//! `/users`: the members of the tenant.

use actix_web::{HttpResponse, web::Data};
use auth::{Password, Permission, PermissionSet, Principal};
use chrono::{DateTime, Utc};
use domain::{
    Email, FullName, GrantedRole, Membership, MembershipChanges, MembershipId, MembershipStatus,
    RoleName,
};
use jobs::{Outbox, TenantJob};
use serde::{Deserialize, Serialize};
use store::{Room, memberships, within_plan};
use tenant_db::TenantConn;
use utoipa::ToSchema;

use super::{
    NoFilters,
    invitations::{NewInvitation, invite},
};
use crate::{
    authenticate::Authorized,
    error::ApiError,
    etag::{ETag, IfMatch, Versioned},
    extract::{Patch, PathId},
    grant,
    idempotency::{Answer, OnceBody},
    list::{List, ListQuery, PageParams},
    openapi::{CreateUserProblems, DeleteUserProblems, UpdateUserProblems},
    patchable::Patchable,
    require,
    services::Services,
    validation::Validation,
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateUser {
    #[schema(example = "vera@acme.example", max_length = 254)]
    email: String,
    #[schema(example = "Vera Voss", min_length = 1, max_length = 200)]
    full_name: String,
    /// A role's name, built-in or not; at most what the caller may do.
    #[schema(example = "member")]
    role: String,
    /// At least 8 characters, at most 71 bytes. Without one the person is invited.
    #[schema(example = "securepass123", min_length = 8, max_length = 71)]
    password: Option<String>,
}

/// With a password an account that the tenant manages; without one an invitation.
struct NewUser {
    new: NewInvitation,
    password: Option<Password>,
}

impl TryFrom<CreateUser> for NewUser {
    type Error = ApiError;

    fn try_from(body: CreateUser) -> Result<Self, ApiError> {
        let mut v = Validation::new();
        let email = v.parse("/email", Email::parse(&body.email));
        let full_name = v.parse("/full_name", FullName::parse(&body.full_name));
        let role = v.parse("/role", RoleName::parse(&body.role));
        let password = body.password.as_deref().map(Password::parse_new);
        let password = v.optional("/password", password);
        v.finish(|| {
            Some(Self {
                new: NewInvitation {
                    email: email?,
                    full_name: full_name?,
                    role: role?,
                },
                password: password?,
            })
        })
    }
}

/// A member as the other members see them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserView {
    #[schema(value_type = Uuid)]
    id: MembershipId,
    #[schema(example = "jo@acme.example")]
    email: String,
    #[schema(example = "Jo Miller")]
    full_name: String,
    /// Built-in or of the tenant's own making.
    #[schema(example = "member")]
    role: String,
    #[schema(schema_with = crate::openapi::membership_status)]
    status: MembershipStatus,
    is_active: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Membership> for UserView {
    fn from(member: Membership) -> Self {
        Self {
            id: member.id,
            is_active: member.is_active(),
            role: member.role_name().to_owned(),
            email: member.email,
            full_name: member.full_name,
            status: member.status,
            created_at: member.created_at,
            updated_at: member.updated_at,
        }
    }
}

/// A page of users, as a client gets it.
#[derive(ToSchema)]
#[schema(as = UserList)]
#[expect(dead_code, reason = "describes what list.rs writes")]
pub(crate) struct UserListView {
    data: Vec<UserView>,
    /// For the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchUser {
    #[serde(default)]
    #[schema(example = "Jo Miller", value_type = String, required = false, min_length = 1, max_length = 200)]
    full_name: Patchable<String>,
    /// A role's name, built-in or not; at most what the caller may do.
    #[serde(default)]
    #[schema(value_type = String, required = false, example = "member")]
    role: Patchable<String>,
    /// `active` or `suspended`.
    #[serde(default)]
    #[schema(schema_with = crate::openapi::membership_status, required = false)]
    status: Patchable<MembershipStatus>,
}

/// What a patch says, before its role is looked up.
struct UserChanges {
    full_name: Option<FullName>,
    role: Option<RoleName>,
    status: Option<MembershipStatus>,
}

impl UserChanges {
    fn with_role(self, role: Option<GrantedRole>) -> MembershipChanges {
        MembershipChanges {
            full_name: self.full_name,
            role,
            status: self.status,
        }
    }
}

impl TryFrom<PatchUser> for UserChanges {
    type Error = ApiError;

    fn try_from(body: PatchUser) -> Result<Self, ApiError> {
        let mut v = Validation::new();
        let full_name = v.change("/full_name", body.full_name, |text| FullName::parse(&text));
        let role = v.change("/role", body.role, |text| RoleName::parse(&text));
        let status = v.change("/status", body.status, |status| match status {
            MembershipStatus::Invited => Err("must be active or suspended"),
            status => Ok(status),
        });
        v.finish(|| {
            Some(Self {
                full_name: full_name?,
                role: role?,
                status: status?,
            })
        })
    }
}

/// The members of the tenant, newest first.
#[utoipa::path(
    get, path = "/api/v1/users", tag = "users", operation_id = "list_users", security(("bearer" = [])),
    params(PageParams),
    responses(
        (status = 200, body = UserListView, headers(("Link" = String, description = "`rel=\"next\"`, where there is a next page")))
    ),
)]
pub(crate) async fn list(
    caller: Authorized<require::UsersRead>,
    query: ListQuery<NoFilters>,
    services: Data<Services>,
) -> Result<List<UserView>, ApiError> {
    let page = query.page::<MembershipId>(caller.tenant().id)?;
    let (after, limit) = (page.after().copied(), page.rows_to_read());
    let rows = services
        .tenants
        .read(caller.context(), move |conn| {
            Ok::<_, ApiError>(memberships::list(conn, after, limit)?)
        })
        .await?;
    page.answer(rows, |member| member.id, UserView::from)
}

/// One member.
#[utoipa::path(
    get, path = "/api/v1/users/{id}", tag = "users", operation_id = "get_user", security(("bearer" = [])),
    params(("id" = Uuid, Path), ("If-None-Match" = Option<String>, Header)),
    responses(
        (status = 200, body = UserView, headers(("ETag" = String))),
        (status = 304, description = "The client has this version.")
    ),
)]
pub(crate) async fn find(
    caller: Authorized<require::UsersRead>,
    PathId(id): PathId<MembershipId>,
    services: Data<Services>,
) -> Result<Versioned<UserView>, ApiError> {
    let member = services
        .tenants
        .read(caller.context(), move |conn| {
            Ok::<_, ApiError>(memberships::find(conn, id)?)
        })
        .await?;
    Versioned::whole(member.into())
}

/// With a password: a managed account, which belongs to this tenant alone; a mail says so. Without
/// one: an invitation, and the user is `invited` until it is accepted.
#[utoipa::path(
    post, path = "/api/v1/users", tag = "users", operation_id = "create_user", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = CreateUser,
    responses(
        (status = 201, body = UserView, headers(("ETag" = String), ("Location" = String))),
        CreateUserProblems,
    ),
)]
pub(crate) async fn create(
    caller: Authorized<require::UsersWrite>,
    OnceBody(body, once): OnceBody<CreateUser>,
    services: Data<Services>,
) -> Result<Answer<UserView>, ApiError> {
    let NewUser { new, password } = body.try_into()?;
    let principal = caller.principal().clone();
    if let RoleName::BuiltIn(role) = new.role {
        // Before the password costs anything.
        grant::within(&principal, &PermissionSet::of(role))?;
    }
    let hash = match password {
        Some(password) => Some(services.passwords.hash(password).await?),
        None => None,
    };
    let now = Utc::now();
    let (ends, limits) = (services.invitation_ends(now), services.limits);
    let make = move |conn: &mut TenantConn<'_>, room: &mut Room| {
        let Some(hash) = hash else {
            let place = invite(conn, room, &principal, &new, ends, now)?.membership_id;
            return Ok::<_, ApiError>(memberships::find(conn, place)?);
        };
        let role = grant::role(conn, &principal, &new.role)?;
        let (email, name) = (&new.email, &new.full_name);
        let member = memberships::insert_managed(conn, room, email, name, &hash, role)?;
        let membership_id = member.id;
        Outbox::enqueue(conn, &TenantJob::WelcomeMember { membership_id })?;
        Ok(member)
    };
    let answer = once.run(&services, &caller, move |conn| {
        let member = within_plan(conn, &limits, make)?;
        Versioned::made(format!("/api/v1/users/{}", member.id), member.into())
    });
    let answer = answer.await?;
    services.outbox.wake();
    Ok(answer)
}

/// Changes what the body names (JSON Merge Patch, RFC 7396). Admins change whoever does not stand
/// above them; everybody else their own name only.
#[utoipa::path(
    patch, path = "/api/v1/users/{id}", tag = "users", operation_id = "update_user", security(("bearer" = [])),
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header)),
    request_body(content(
        (PatchUser = "application/merge-patch+json"),
        (PatchUser = "application/json"),
    )),
    responses((status = 200, body = UserView, headers(
        ("ETag" = String))), UpdateUserProblems),
)]
pub(crate) async fn update(
    caller: Authorized<require::UsersRead>,
    PathId(id): PathId<MembershipId>,
    if_match: IfMatch,
    Patch(body): Patch<PatchUser>,
    services: Data<Services>,
) -> Result<Versioned<UserView>, ApiError> {
    let changes: UserChanges = body.try_into()?;
    let principal = caller.principal().clone();
    let member = services
        .tenants
        .run(caller.context(), move |conn| {
            if principal.permits(Permission::UsersWrite) {
                let role = match &changes.role {
                    Some(name) => Some(grant::role(conn, &principal, name)?),
                    None => None,
                };
                if_match.check(|| tag(memberships::lock(conn, id)?))?;
                grant::member(conn, &principal, id)?;
                return Ok(memberships::update(conn, id, &changes.with_role(role))?);
            }
            let member = memberships::find(conn, id)?;
            if !is_self(&member, &principal) || changes.role.is_some() || changes.status.is_some() {
                return Err(ApiError::Forbidden);
            }
            if_match.check(|| tag(memberships::lock_own(conn)?))?;
            match &changes.full_name {
                Some(name) => Ok(memberships::update_own_name(conn, name)?),
                None => Ok(member),
            }
        })
        .await?;
    Versioned::whole(member.into())
}

/// Takes a member out of the tenant. Admins remove whoever does not stand above them; everybody
/// may remove themselves, which is how one leaves.
#[utoipa::path(
    delete, path = "/api/v1/users/{id}", tag = "users", operation_id = "delete_user", security(("bearer" = [])),
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204, description = "No member any more."), DeleteUserProblems),
)]
pub(crate) async fn delete(
    caller: Authorized<require::UsersRead>,
    PathId(id): PathId<MembershipId>,
    if_match: IfMatch,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let principal = caller.principal().clone();
    services
        .tenants
        .run(caller.context(), move |conn| {
            let member = memberships::find(conn, id)?;
            if is_self(&member, &principal) {
                if_match.check(|| tag(memberships::lock_own(conn)?))?;
                memberships::leave(conn)?;
            } else if principal.permits(Permission::UsersWrite) {
                if_match.check(|| tag(memberships::lock(conn, id)?))?;
                grant::member(conn, &principal, id)?;
                memberships::delete(conn, id)?;
            } else {
                return Err(ApiError::Forbidden);
            }
            Ok(())
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

fn tag(member: Membership) -> Result<ETag, ApiError> {
    ETag::of(&UserView::from(member))
}

/// Whether the member is the person who asks. A key is nobody's self, not its maker's either.
fn is_self(member: &Membership, caller: &Principal) -> bool {
    let person = caller.user().map(|user| user.account);
    person.is_some() && person == member.account_id
}

//! `/invitations`: places in the tenant that wait for whoever has an address. How one is accepted
//! is `invitation_acceptance.rs`.

use actix_web::{HttpResponse, web::Data};
use auth::{PermissionSet, Principal};
use chrono::{DateTime, Duration, Utc};
use domain::{Email, FullName, Invitation, InvitationId, InvitationStatus, RoleName};
use jobs::{Outbox, TenantJob};
use serde::{Deserialize, Serialize};
use store::{Room, invitations, within_plan};
use tenant_db::TenantConn;
use utoipa::ToSchema;

use super::NoFilters;
use crate::{
    authenticate::Authorized,
    error::ApiError,
    etag::{ETag, IfMatch, Versioned},
    extract::PathId,
    grant,
    idempotency::{Answer, Once, OnceBody},
    list::{List, ListQuery, PageParams},
    openapi::{CreateInvitationProblems, PendingInvitationProblems},
    require,
    services::Services,
    validation::Validation,
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateInvitation {
    #[schema(example = "vera@home.example", max_length = 254)]
    email: String,
    /// A role's name, built-in or not; at most what the caller may do.
    #[schema(example = "member")]
    role: String,
    /// What the list of users shows until the invitation is accepted. Default: the address up to
    /// its @.
    #[schema(example = "Vera Voss", min_length = 1, max_length = 200)]
    full_name: Option<String>,
}

/// Somebody who is to be invited.
pub(crate) struct NewInvitation {
    /// Where the mail goes.
    pub(crate) email: Email,
    /// The person's name until they say one.
    pub(crate) full_name: FullName,
    /// The role that goes with the place.
    pub(crate) role: RoleName,
}

impl TryFrom<CreateInvitation> for NewInvitation {
    type Error = ApiError;

    fn try_from(body: CreateInvitation) -> Result<Self, ApiError> {
        let mut v = Validation::new();
        let email = v.parse("/email", Email::parse(&body.email));
        let role = v.parse("/role", RoleName::parse(&body.role));
        let name = body.full_name.as_deref().map(FullName::parse);
        let full_name = v.optional("/full_name", name);
        v.finish(|| {
            let email = email?;
            Some(Self {
                full_name: full_name?.unwrap_or_else(|| FullName::of_address(&email)),
                role: role?,
                email,
            })
        })
    }
}

/// An invitation as the tenant's admins see it. Its token is in the mail only.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Invitation)]
pub(crate) struct InvitationView {
    #[schema(value_type = Uuid)]
    id: InvitationId,
    #[schema(example = "sam@acme.example")]
    email: String,
    /// Built-in or of the tenant's own making.
    #[schema(example = "member")]
    role: String,
    #[schema(schema_with = crate::openapi::invitation_status)]
    status: InvitationStatus,
    expires_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        Self {
            id: invitation.id,
            role: invitation.role_name().to_owned(),
            email: invitation.email,
            status: invitation.status,
            expires_at: invitation.expires_at,
            created_at: invitation.created_at,
        }
    }
}

/// A page of invitations, as a client gets it.
#[derive(ToSchema)]
#[schema(as = InvitationList)]
#[expect(dead_code, reason = "describes what list.rs writes")]
pub(crate) struct InvitationListView {
    data: Vec<InvitationView>,
    /// For the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Keeps the place and has the link mailed.
pub(crate) fn invite(
    conn: &mut TenantConn<'_>,
    room: &mut Room,
    caller: &Principal,
    new: &NewInvitation,
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Invitation, ApiError> {
    let role = grant::role(conn, caller, &new.role)?;
    let (email, name) = (&new.email, &new.full_name);
    let invitation = invitations::insert(conn, room, email, name, role, expires_at, now)?;
    let invitation_id = invitation.id;
    Outbox::enqueue(conn, &TenantJob::MailInvitation { invitation_id })?;
    Ok(invitation)
}

impl Services {
    /// Until when an invitation is good that is sent at `now`.
    pub(crate) fn invitation_ends(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + Duration::days(self.invitation_lifetime_days.into())
    }
}

/// The tenant's invitations, whatever has become of them, newest first.
#[utoipa::path(
    get, path = "/api/v1/invitations", tag = "invitations", operation_id = "list_invitations",
    security(("bearer" = [])), params(PageParams),
    responses(
        (status = 200, body = InvitationListView, headers(("Link" = String, description = "`rel=\"next\"`, where there is a next page")))
    ),
)]
pub(crate) async fn list(
    caller: Authorized<require::UsersWrite>,
    query: ListQuery<NoFilters>,
    services: Data<Services>,
) -> Result<List<InvitationView>, ApiError> {
    let page = query.page::<InvitationId>(caller.tenant().id)?;
    let (after, limit, now) = (page.after().copied(), page.rows_to_read(), Utc::now());
    let rows = services
        .tenants
        .read(caller.context(), move |conn| {
            Ok::<_, ApiError>(invitations::list(conn, after, limit, now)?)
        })
        .await?;
    page.answer(rows, |invitation| invitation.id, InvitationView::from)
}

/// One invitation.
#[utoipa::path(
    get, path = "/api/v1/invitations/{id}", tag = "invitations", operation_id = "get_invitation",
    security(("bearer" = [])), params(("id" = Uuid, Path), ("If-None-Match" = Option<String>, Header)),
    responses(
        (status = 200, body = InvitationView, headers(("ETag" = String))),
        (status = 304, description = "The client has this version.")
    ),
)]
pub(crate) async fn find(
    caller: Authorized<require::UsersWrite>,
    PathId(id): PathId<InvitationId>,
    services: Data<Services>,
) -> Result<Versioned<InvitationView>, ApiError> {
    let invitation = services
        .tenants
        .read(caller.context(), move |conn| {
            Ok::<_, ApiError>(invitations::find(conn, id, Utc::now())?)
        })
        .await?;
    Versioned::whole(invitation.into())
}

/// Invites whoever has the address. A mail brings them the link; the answer is the same whether
/// they have an account or not.
#[utoipa::path(
    post, path = "/api/v1/invitations", tag = "invitations", operation_id = "create_invitation",
    security(("bearer" = [])), params(("Idempotency-Key" = Option<String>, Header)), request_body = CreateInvitation,
    responses(
        (status = 201, body = InvitationView, headers(("ETag" = String), ("Location" = String))),
        CreateInvitationProblems,
    ),
)]
pub(crate) async fn create(
    caller: Authorized<require::UsersWrite>,
    OnceBody(body, once): OnceBody<CreateInvitation>,
    services: Data<Services>,
) -> Result<Answer<InvitationView>, ApiError> {
    let new: NewInvitation = body.try_into()?;
    let principal = caller.principal().clone();
    if let RoleName::BuiltIn(role) = new.role {
        grant::within(&principal, &PermissionSet::of(role))?;
    }
    let now = Utc::now();
    let (ends, limits) = (services.invitation_ends(now), services.limits);
    let answer = once.run(&services, &caller, move |conn| {
        let invitation = within_plan(conn, &limits, |conn, room| {
            invite(conn, room, &principal, &new, ends, now)
        })?;
        let location = format!("/api/v1/invitations/{}", invitation.id);
        Versioned::made(location, invitation.into())
    });
    let answer = answer.await?;
    services.outbox.wake();
    Ok(answer)
}

/// Mails a new link, good for the whole time again; the one before is dead.
#[utoipa::path(
    post, path = "/api/v1/invitations/{id}/resend", tag = "invitations", operation_id = "resend_invitation",
    security(("bearer" = [])), params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = InvitationView, headers(("ETag" = String))), PendingInvitationProblems),
)]
pub(crate) async fn resend(
    caller: Authorized<require::UsersWrite>,
    PathId(id): PathId<InvitationId>,
    if_match: IfMatch,
    once: Once,
    services: Data<Services>,
) -> Result<Answer<InvitationView>, ApiError> {
    let principal = caller.principal().clone();
    let now = Utc::now();
    let (ends, limits) = (services.invitation_ends(now), services.limits);
    let answer = once.run(&services, &caller, move |conn| {
        let before = invitations::lock_waiting(conn, id, now)?;
        if_match.check(|| tag(before))?;
        within_plan(conn, &limits, |conn, room| {
            let invitation = invitations::renew(conn, room, id, ends, now)?;
            // The place stays what it is: the database is not asked who may give it.
            grant::within_base(&principal, invitation.role)?;
            grant::member(conn, &principal, invitation.membership_id)?;
            let invitation_id = invitation.id;
            Outbox::enqueue(conn, &TenantJob::MailInvitation { invitation_id })?;
            Versioned::whole(invitation.into())
        })
    });
    let answer = answer.await?;
    services.outbox.wake();
    Ok(answer)
}

/// Withdraws an invitation: its link is dead, the address free again.
#[utoipa::path(
    delete, path = "/api/v1/invitations/{id}", tag = "invitations", operation_id = "revoke_invitation",
    security(("bearer" = [])), params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204, description = "Revoked."), PendingInvitationProblems),
)]
pub(crate) async fn delete(
    caller: Authorized<require::UsersWrite>,
    PathId(id): PathId<InvitationId>,
    if_match: IfMatch,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let principal = caller.principal().clone();
    services
        .tenants
        .run(caller.context(), move |conn| {
            let invitation = invitations::lock_waiting(conn, id, Utc::now())?;
            let place = invitation.membership_id;
            if_match.check(|| tag(invitation))?;
            grant::member(conn, &principal, place)?;
            Ok::<_, ApiError>(store::memberships::delete(conn, place)?)
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

fn tag(invitation: Invitation) -> Result<ETag, ApiError> {
    ETag::of(&InvitationView::from(invitation))
}

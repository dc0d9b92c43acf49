//! The paths of a system that callers may come from, served by our own handlers: bodies, statuses and
//! rules are ours. What such a caller has to change is `docs/aliases.md`. Two of them take a body of
//! their own, and have their handlers here.

use ::auth::PermissionSet;
use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    web::Data,
};
use chrono::Utc;
use domain::{Email, FullName, RoleName, TenantId};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use store::{Goal, within_plan};
use utoipa::{
    ToSchema,
    openapi::{Deprecated, OpenApi, PathItem, path::Operation},
};

use crate::{
    authenticate::{Authorized, Bearer},
    endpoints::{
        account, auth,
        invitations::{InvitationView, NewInvitation, invite},
        my_tenants, projects, session, tenants, users,
    },
    error::{ApiError, FieldErrorCode},
    etag::Versioned,
    extract::Body,
    grant,
    idempotency::{Answer, OnceBody},
    openapi::{CreateInvitationProblems, SwitchProblems},
    require,
    routes::{Endpoint, at},
    services::Services,
    state::AppState,
    validation::Validation,
};

/// Since when they are discouraged: from the beginning, 2026-11-21 (RFC 9745, 2.1).
const DEPRECATION: HeaderValue = HeaderValue::from_static("@1795219200");

/// How many addresses one request may invite.
const MAX_EMAILS: usize = 50;

/// Every alias, with the path that is meant.
pub(crate) fn table() -> Vec<Endpoint> {
    let alias = |path, successor| at(path).succeeded_by(Successor(successor));
    vec![
        alias("/login", "/api/v1/auth/login").post(auth::login),
        alias("/logout", "/api/v1/auth/logout").post(session::logout),
        alias("/refresh_token", "/api/v1/auth/refresh").post(session::refresh),
        alias("/users/register", "/api/v1/auth/register").post(auth::register),
        alias("/users/me", "/api/v1/users/me").get(account::me),
        alias("/users/list_orgs", "/api/v1/users/me/tenants").get(my_tenants::list),
        alias("/organization/register", "/api/v1/tenants").post(tenants::create),
        alias("/organization/select", "/api/v1/auth/switch").post(select),
        alias("/organization/add_users", "/api/v1/invitations").post_once(add_users),
        alias("/organization/list_users", "/api/v1/users").get(users::list),
        alias("/projects/create_project", "/api/v1/projects").post_once(projects::create),
    ]
}

/// The path that an alias stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Successor(&'static str);

impl Successor {
    /// Of a request for an alias.
    pub(crate) fn of(request: &HttpRequest) -> Option<Self> {
        request.app_data::<Self>().copied()
    }

    pub(crate) fn path(self) -> &'static str {
        self.0
    }

    /// Says on an answer that its path is an alias, and of what (RFC 9745; RFC 5829, 3.5).
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        headers.insert(HeaderName::from_static("deprecation"), DEPRECATION);
        let link = format!("<{}>; rel=\"successor-version\"", self.0);
        if let Ok(link) = HeaderValue::from_str(&link) {
            headers.append(header::LINK, link);
        }
    }
}

/// Exactly one of the two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SelectOrganization {
    #[schema(value_type = Option<Uuid>)]
    organization_id: Option<TenantId>,
    #[schema(example = "acme-corp")]
    slug: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddUsers {
    /// Each once.
    #[schema(min_items = 1, max_items = 50, example = json!(["vera@home.example"]))]
    emails: Vec<String>,
    /// A role's name, built-in or not; at most what the caller may do.
    #[schema(example = "member")]
    role: String,
}

/// The invitations, in the order of the addresses.
#[derive(Serialize, ToSchema)]
#[schema(as = AddedUsers)]
pub(crate) struct AddedUsersView {
    data: Vec<InvitationView>,
    /// Always `null`: all are here.
    #[schema(required)]
    next_cursor: Option<String>,
}

impl TryFrom<SelectOrganization> for Goal {
    type Error = ApiError;

    fn try_from(body: SelectOrganization) -> Result<Self, ApiError> {
        session::goal(
            ("slug", body.slug),
            ("organization_id", body.organization_id),
        )
    }
}

impl TryFrom<AddUsers> for Vec<NewInvitation> {
    type Error = ApiError;

    fn try_from(body: AddUsers) -> Result<Self, ApiError> {
        let mut v = Validation::new();
        let role = v.parse("/role", RoleName::parse(&body.role));
        if !(1..=MAX_EMAILS).contains(&body.emails.len()) {
            let detail = format!("must be 1 to {MAX_EMAILS} addresses");
            v.refuse("/emails", FieldErrorCode::Invalid, detail);
            return v.finish(|| None);
        }
        let mut seen = HashSet::new();
        let mut emails = Vec::new();
        for (index, text) in body.emails.iter().enumerate() {
            let pointer = format!("/emails/{index}");
            let Some(email) = v.parse(&pointer, Email::parse(text)) else {
                continue;
            };
            if !seen.insert(email.clone()) {
                v.refuse(&pointer, FieldErrorCode::Duplicate, "stands twice");
            }
            emails.push(email);
        }
        v.finish(|| {
            let role = role?;
            let new = |email: Email| NewInvitation {
                full_name: FullName::of_address(&email),
                role: role.clone(),
                email,
            };
            Some(emails.into_iter().map(new).collect())
        })
    }
}

/// The same session in another tenant of the account.
#[utoipa::path(
    post, path = "/organization/select", tag = "aliases", security(("bearer" = [])),
    request_body = SelectOrganization, responses((status = 200, body = crate::endpoints::TokenView), SwitchProblems),
)]
pub(crate) async fn select(
    caller: Bearer,
    Body(body): Body<SelectOrganization>,
    state: Data<AppState>,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    session::move_to(body.try_into()?, &caller, &state, &services).await
}

/// Invites whoever has the addresses: all of them, or none.
#[utoipa::path(
    post, path = "/organization/add_users", tag = "aliases", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = AddUsers, responses((status = 201, body = AddedUsersView), CreateInvitationProblems),
)]
pub(crate) async fn add_users(
    caller: Authorized<require::UsersWrite>,
    OnceBody(body, once): OnceBody<AddUsers>,
    services: Data<Services>,
) -> Result<Answer<AddedUsersView>, ApiError> {
    let new: Vec<NewInvitation> = body.try_into()?;
    let principal = caller.principal().clone();
    if let Some(RoleName::BuiltIn(role)) = new.first().map(|new| &new.role) {
        grant::within(&principal, &PermissionSet::of(*role))?;
    }
    let now = Utc::now();
    let (ends, limits) = (services.invitation_ends(now), services.limits);
    // In one order whoever asks, so that no two requests wait for each other.
    let mut new: Vec<_> = new.into_iter().enumerate().collect();
    new.sort_by(|(_, one), (_, other)| one.email.cmp(&other.email));
    let answer = once.run(&services, &caller, move |conn| {
        let mut invited = within_plan(conn, &limits, |conn, room| {
            let mut invited = Vec::new();
            for (place, new) in &new {
                let invitation = invite(conn, room, &principal, new, ends, now)?;
                invited.push((*place, invitation));
            }
            Ok::<_, ApiError>(invited)
        })?;
        invited.sort_by_key(|(place, _)| *place);
        let invitations = invited.into_iter().map(|(_, invitation)| invitation);
        Ok(Versioned::several(AddedUsersView {
            data: invitations.map(InvitationView::from).collect(),
            next_cursor: None,
        }))
    });
    let answer = answer.await?;
    services.outbox.wake();
    Ok(answer)
}

/// What the path of an alias stands for.
pub(crate) fn successor_of(path: &str) -> Option<&'static str> {
    let mut table = table().into_iter();
    let alias = table.find(|endpoint| endpoint.path() == path)?;
    alias.successor().map(|Successor(successor)| successor)
}

/// Adds the aliases to the description: what a successor's operation says, or what a handler here
/// says of itself, and that it is deprecated.
pub(crate) fn describe(document: &mut OpenApi) {
    for endpoint in table() {
        let Some(Successor(successor)) = endpoint.successor() else {
            continue;
        };
        for method in endpoint.methods() {
            let paths = &mut document.paths.paths;
            let own = paths.get(endpoint.path());
            let described = own.or_else(|| paths.get(successor));
            let Some(mut operation) = described.and_then(|item| operation(item, method)) else {
                continue;
            };
            let id = endpoint.path().trim_start_matches('/').replace('/', "_");
            let path = successor;
            operation.operation_id = Some(format!("alias_{id}"));
            operation.tags = Some(vec!["aliases".to_owned()]);
            operation.deprecated = Some(Deprecated::True);
            operation.description = Some(format!(
                "An alias: better ask `{method} {path}`. Answers carry `Deprecation` (RFC 9745) and \
                 `Link` with `rel=\"successor-version\"`."
            ));
            let mut item = PathItem::default();
            *slot(&mut item, method) = Some(operation);
            paths.insert(endpoint.path().to_owned(), item);
        }
    }
}

fn operation(item: &PathItem, method: &Method) -> Option<Operation> {
    match *method {
        Method::GET => item.get.clone(),
        _ => item.post.clone(),
    }
}

/// No alias has another method.
fn slot<'a>(item: &'a mut PathItem, method: &Method) -> &'a mut Option<Operation> {
    match *method {
        Method::GET => &mut item.get,
        _ => &mut item.post,
    }
}

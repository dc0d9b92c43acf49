//! `/auth/register` and `/auth/login`: how somebody gets in. How a session goes on is `session.rs`.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::Data,
};
use auth::Password;
use domain::{
    Email, FullName, MembershipStatus, TenantId, TenantMembership, TenantName, TenantSlug,
    TenantStatus,
};
use serde::Deserialize;
use store::{Candidate, Registrant};
use utoipa::ToSchema;

use super::token::{self, TokenView};
use crate::{
    client_address::client_address,
    error::{ApiError, FieldErrorCode},
    extract::Body,
    openapi::{LoginProblems, RegisterProblems},
    services::Services,
    state::AppState,
    validation::Validation,
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Register {
    #[schema(example = "alice@acme.example", max_length = 254)]
    email: String,
    /// At least 8 characters, at most 71 bytes.
    #[schema(example = "securepass123", min_length = 8, max_length = 71)]
    password: String,
    #[schema(example = "Alice Adams", min_length = 1, max_length = 200)]
    full_name: String,
    /// A new tenant, or an existing one whose sign-up policy takes new members.
    #[schema(example = "acme-corp", min_length = 3, max_length = 63)]
    tenant_slug: Option<String>,
    /// Default: the slug.
    #[schema(example = "Acme Corporation", min_length = 1, max_length = 200)]
    tenant_name: Option<String>,
}

struct Registration {
    email: Email,
    password: Password,
    full_name: FullName,
    tenant: Option<(TenantSlug, TenantName)>,
}

impl TryFrom<Register> for Registration {
    type Error = ApiError;

    fn try_from(body: Register) -> Result<Self, ApiError> {
        let mut v = Validation::new();
        let email = v.parse("/email", Email::parse(&body.email));
        let password = v.parse("/password", Password::parse_new(&body.password));
        let full_name = v.parse("/full_name", FullName::parse(&body.full_name));
        let slug = v.optional(
            "/tenant_slug",
            body.tenant_slug.as_deref().map(TenantSlug::parse),
        );
        if body.tenant_slug.is_none() && body.tenant_name.is_some() {
            v.refuse(
                "/tenant_name",
                FieldErrorCode::Invalid,
                "needs a tenant_slug beside it",
            );
        }
        // A tenant that nobody named is called by its slug.
        let slug_as_name = slug.as_ref().and_then(Option::as_ref);
        let slug_as_name = slug_as_name.map(TenantSlug::as_str);
        let name = body.tenant_name.as_deref().or(slug_as_name);
        let name = v.optional("/tenant_name", name.map(TenantName::parse));
        v.finish(|| {
            Some(Self {
                email: email?,
                password: password?,
                full_name: full_name?,
                tenant: slug?.zip(name?),
            })
        })
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    #[schema(example = "alice@acme.example")]
    email: String,
    #[schema(value_type = String, example = "securepass123")]
    password: Password,
    /// Default: the only membership, else no tenant.
    #[schema(example = "acme-corp")]
    tenant_slug: Option<String>,
}

/// An account, and a tenant with it when one is named.
///
/// With the address of a personal account, the password decides: right, and the tenant is added
/// to that account; wrong, and the address is taken. Either way costs one bcrypt.
#[utoipa::path(
    post, path = "/api/v1/auth/register", tag = "auth", operation_id = "register", request_body = Register,
    responses((status = 201, body = TokenView), RegisterProblems),
)]
pub(crate) async fn register(
    request: HttpRequest,
    Body(body): Body<Register>,
    state: Data<AppState>,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let registration = Registration::try_from(body)?;
    let known = services
        .identity
        .find_personal(registration.email.clone())
        .await?;
    let who = match known {
        Some(candidate) => {
            let right = services
                .passwords
                .verify(registration.password, Some(candidate.hash.clone()))
                .await?;
            right
                .then_some(Registrant::Known(candidate.account.id, candidate.hash))
                .ok_or(ApiError::EmailTaken)?
        }
        None => Registrant::New {
            email: registration.email,
            full_name: registration.full_name,
            password_hash: services.passwords.hash(registration.password).await?,
        },
    };
    let (refresh, session) = services.new_session(device(&request), address(&request, &state));
    let who = services
        .identity
        .register(who, registration.tenant, session)
        .await?;
    services.outbox.wake();
    token::answer(StatusCode::CREATED, &state, &who, &refresh)
}

/// A session. Whatever is wrong, the answer is the same and costs the same: one bcrypt.
#[utoipa::path(
    post, path = "/api/v1/auth/login", tag = "auth", operation_id = "login", request_body = Login,
    responses((status = 200, body = TokenView), LoginProblems),
)]
pub(crate) async fn login(
    request: HttpRequest,
    Body(body): Body<Login>,
    state: Data<AppState>,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    // What is no address or no slug belongs to nobody; it is not said which.
    let email = Email::parse(&body.email).ok();
    let slug = body
        .tenant_slug
        .as_deref()
        .map(TenantSlug::parse)
        .transpose()
        .ok();
    let found = match (email, slug.clone()) {
        (Some(email), Some(slug)) => services.identity.find_for_sign_in(email, slug).await?,
        _ => None,
    };
    let hash = found.as_ref().map(|candidate| candidate.hash.clone());
    let right = services.passwords.verify(body.password, hash).await?;
    let candidate = found
        .filter(|_| right)
        .ok_or(ApiError::InvalidCredentials)?;
    let tenant = standing(&candidate, slug.flatten().as_ref())?;
    let (refresh, session) = services.new_session(device(&request), address(&request, &state));
    let who = services
        .identity
        .open_session(candidate.account.id, candidate.hash, tenant, session)
        .await?;
    token::answer(StatusCode::OK, &state, &who, &refresh)
}

/// In which tenant the new session stands: the one named, else the only one, else none.
fn standing(
    candidate: &Candidate,
    slug: Option<&TenantSlug>,
) -> Result<Option<TenantId>, ApiError> {
    let is_active = |membership: &TenantMembership| membership.status == MembershipStatus::Active;
    match slug {
        Some(slug) => {
            let named = candidate
                .memberships
                .iter()
                .find(|membership| membership.slug == slug.as_str() && is_active(membership))
                .ok_or(ApiError::InvalidCredentials)?;
            if named.tenant_status != TenantStatus::Active {
                return Err(ApiError::TenantSuspended);
            }
            Ok(Some(named.tenant_id))
        }
        None => match candidate.memberships.as_slice() {
            [only] if only.is_open() => Ok(Some(only.tenant_id)),
            _ => Ok(None),
        },
    }
}

/// What the client calls itself, for the list of sessions.
fn device(request: &HttpRequest) -> Option<String> {
    let agent = request.headers().get(header::USER_AGENT)?;
    agent.to_str().ok().map(ToOwned::to_owned)
}

fn address(request: &HttpRequest, state: &AppState) -> std::net::IpAddr {
    client_address(request, &state.settings.trusted_proxies)
}

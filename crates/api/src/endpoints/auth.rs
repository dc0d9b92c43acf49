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
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use store::{Attempt, Candidate, Registrant, Subject};
use utoipa::ToSchema;

use super::token::{self, TokenView};
use crate::{
    client_address::client_address,
    denial,
    error::{ApiError, FieldErrorCode},
    extract::Body,
    openapi::{LoginProblems, RegisterProblems},
    second_factor_code::SecondFactorCode,
    services::Services,
    state::AppState,
    validation::Validation,
};

#[derive(Deserialize, ToSchema)]
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
    /// For an account that exists and has a second factor: as for a login.
    #[schema(value_type = Option<String>, example = "123456", max_length = 64)]
    totp: Option<SecondFactorCode>,
    /// Needed where the server demands a captcha; else it is not looked at.
    captcha_token: Option<String>,
}

struct Registration {
    email: Email,
    password: Password,
    totp: Option<SecondFactorCode>,
    full_name: FullName,
    tenant: Option<(TenantSlug, TenantName)>,
    captcha_token: Option<String>,
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
                totp: body.totp,
                full_name: full_name?,
                tenant: slug?.zip(name?),
                captcha_token: body.captcha_token,
            })
        })
    }
}

// No `Debug`: a code is good for a minute.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    #[schema(example = "alice@acme.example")]
    email: String,
    #[schema(value_type = String, example = "securepass123")]
    password: Password,
    /// Default: the only membership, else no tenant.
    #[schema(example = "acme-corp")]
    tenant_slug: Option<String>,
    /// For an account with a second factor: a code of the authenticator app, or a recovery code.
    /// Each is good once.
    #[schema(value_type = Option<String>, example = "123456", max_length = 64)]
    totp: Option<SecondFactorCode>,
}

/// An account, and a tenant with it when one is named.
///
/// With the address of a personal account, the password decides: right, and the tenant is added
/// to that account (with its second factor, if it has one); wrong, and the address is taken, which
/// counts as a failed sign-in. Either way costs one bcrypt.
///
/// Where the server lets only verified addresses in, the answer is 202, whether the address has an
/// account or not: a mail says how to go on.
#[utoipa::path(
    post, path = "/api/v1/auth/register", tag = "auth", operation_id = "register", request_body = Register,
    responses((status = 201, body = TokenView), (status = 202, body = VerificationSent), RegisterProblems),
)]
pub(crate) async fn register(
    request: HttpRequest,
    Body(body): Body<Register>,
    state: Data<AppState>,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let registration = Registration::try_from(body)?;
    if let Some((slug, _)) = &registration.tenant {
        denial::stands_at_door_of(&request, slug);
    }
    let from = address(&request, &state);
    services
        .captcha
        .check(registration.captcha_token.as_deref(), from)
        .await?;
    if services.require_verified_email {
        return register_by_mail(registration, &services).await;
    }
    let (who, attempt) = identify(&services, &registration, from).await?;
    let (refresh, session) = services.new_session(device(&request), from);
    let registered = services
        .identity
        .register(who, registration.tenant, session, services.limits)
        .await
        .map_err(|error| match error {
            store::Error::WrongPassword => ApiError::EmailTakenByAnother,
            error => error.into(),
        });
    let who = match attempt {
        Some(attempt) => services.conclude(attempt, registered).await?,
        None => registered?,
    };
    services.outbox.wake();
    token::answer(StatusCode::CREATED, &state, &who, &refresh)
}

/// What was sent, and to whom, only a mail says.
#[derive(Serialize, ToSchema)]
pub(crate) struct VerificationSent {
    #[schema(example = "verification_sent")]
    status: &'static str,
}

/// One bcrypt, whether the address is known or not.
async fn register_by_mail(
    registration: Registration,
    services: &Services,
) -> Result<HttpResponse, ApiError> {
    let Registration {
        email,
        full_name,
        tenant,
        ..
    } = registration;
    let hash = services.passwords.hash(registration.password).await?;
    services
        .identity
        .register_by_mail(email, full_name, hash, tenant, services.limits)
        .await?;
    services.outbox.wake();
    Ok(HttpResponse::Accepted().json(VerificationSent {
        status: "verification_sent",
    }))
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
    if let Some(Some(slug)) = &slug {
        denial::stands_at_door_of(&request, slug);
    }
    let from = address(&request, &state);
    let subject = Subject::new(from, email.as_ref().map_or(&*body.email, Email::as_str));
    let (attempt, found) = services
        .admitted(|| {
            let (subject, email, slug) = (subject.clone(), email.clone(), slug.clone());
            let limit = services.login_limit;
            services
                .identity
                .find_for_sign_in(subject, email, slug, limit)
        })
        .await?;
    let hash = found.as_ref().map(|candidate| candidate.hash.clone());
    let verified = services
        .verify(attempt, body.password, hash, body.totp.map(Into::into))
        .await?;
    let (Some(verified), Some(candidate)) = (verified, found) else {
        return Err(ApiError::InvalidCredentials);
    };
    let attempt = verified.attempt.clone();
    // For the address of a managed account the tenant answers, whose admin gave it.
    let is_personal = candidate.account.home_tenant_id.is_none();
    let is_waiting = is_personal && !candidate.account.email_verified;
    let stands = if services.require_verified_email && is_waiting {
        Err(ApiError::EmailNotVerified)
    } else {
        standing(&candidate, slug.flatten().as_ref())
    };
    let tenant = match stands {
        Ok(tenant) => tenant,
        Err(error) => return Err(services.settle(attempt, error).await?),
    };
    let (refresh, session) = services.new_session(device(&request), from);
    let opened = services
        .identity
        .open_session(candidate.account.id, verified, tenant, session)
        .await;
    let who = services.conclude(attempt, opened).await?;
    token::answer(StatusCode::OK, &state, &who, &refresh)
}

/// Somebody new, or somebody known who knows the password.
async fn identify(
    services: &Services,
    registration: &Registration,
    from: IpAddr,
) -> Result<(Registrant, Option<Attempt>), ApiError> {
    let (email, password) = (&registration.email, registration.password.clone());
    let limit = services.login_limit;
    let known = services
        .admitted_if_known(|| services.identity.find_personal(email.clone(), from, limit))
        .await?;
    let Some((attempt, candidate)) = known else {
        let new = Registrant::New {
            email: email.clone(),
            full_name: registration.full_name.clone(),
            password_hash: services.passwords.hash(password).await?,
        };
        return Ok((new, None));
    };
    let totp = registration.totp.clone();
    let verified = services
        .verify(
            attempt,
            password,
            Some(candidate.hash),
            totp.map(Into::into),
        )
        .await?
        .ok_or(ApiError::EmailTakenByAnother)?;
    let attempt = verified.attempt.clone();
    Ok((
        Registrant::Known(candidate.account.id, verified),
        Some(attempt),
    ))
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
            if !named.is_open() {
                return Err(match named.tenant_status {
                    TenantStatus::Deleting => ApiError::TenantDeleting,
                    TenantStatus::Active | TenantStatus::Suspended => ApiError::TenantSuspended,
                });
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
pub(super) fn device(request: &HttpRequest) -> Option<String> {
    let agent = request.headers().get(header::USER_AGENT)?;
    agent.to_str().ok().map(ToOwned::to_owned)
}

pub(super) fn address(request: &HttpRequest, state: &AppState) -> IpAddr {
    client_address(request, &state.settings.trusted_proxies)
}

//! `/tenant`: the company itself, as its members see it and its admins change it.

use actix_web::web::Data;
use chrono::{DateTime, Utc};
use domain::{
    Email, MembershipId, SettingsError, SettingsPatch, Signup, SubscriptionTier, Tenant, TenantId,
    TenantName, TenantPatch, TenantStatus,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::convert::Infallible;
use store::{memberships, tenants};
use utoipa::ToSchema;

use super::branding::{self, BrandingView, PatchBranding};
use crate::{
    authenticate::Authorized,
    error::{ApiError, FieldErrorCode},
    etag::{ETag, IfMatch, Versioned},
    extract::Patch,
    idempotency::{Answer, OnceBody},
    openapi::TransferProblems,
    patchable::Patchable,
    require,
    services::Services,
    validation::Validation,
};

/// How many domains `signup_domains` may have.
const MAX_DOMAINS: usize = 50;

/// A tenant as its members see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tenant)]
pub(crate) struct TenantView {
    #[schema(value_type = Uuid)]
    id: TenantId,
    #[schema(example = "acme-corp")]
    slug: String,
    #[schema(example = "acme-corp")]
    subdomain: String,
    #[schema(example = "Acme Corp")]
    name: String,
    is_active: bool,
    #[schema(schema_with = crate::openapi::tenant_status)]
    status: TenantStatus,
    #[schema(schema_with = crate::openapi::subscription_tier)]
    subscription_tier: SubscriptionTier,
    /// `null`: the tier's.
    #[schema(required)]
    rate_limit_per_minute: Option<i32>,
    /// `null`: the tier's.
    #[schema(required)]
    rate_limit_burst: Option<i32>,
    #[schema(schema_with = crate::openapi::signup)]
    signup: Signup,
    #[schema(example = json!(["acme.example"]))]
    signup_domains: Vec<String>,
    #[schema(value_type = TenantSettings)]
    settings: Value,
    #[schema(value_type = BrandingView)]
    branding: Value,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// With status `deleting`: until when its owners can restore it. Later all of it is erased.
    #[schema(required)]
    erase_after: Option<DateTime<Utc>>,
}

/// A tenant's own settings: those below, and any others that a front end wants to keep, under names
/// of `a-z`, then up to 63 of `a-z0-9_`. All together have at most 16,384 bytes as compact JSON and 8
/// levels, without control characters.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what domain::SettingsPatch checks")]
struct TenantSettings {
    /// A language tag (RFC 5646) of language, script and region.
    #[schema(nullable = false, example = "en-GB")]
    locale: Option<String>,
    /// Of the IANA database.
    #[schema(nullable = false, example = "Europe/Berlin")]
    timezone: Option<String>,
    #[schema(schema_with = crate::openapi::week_start, required = false)]
    week_starts_on: Option<String>,
}

impl From<Tenant> for TenantView {
    fn from(tenant: Tenant) -> Self {
        Self {
            id: tenant.id,
            is_active: tenant.is_active(),
            slug: tenant.slug,
            subdomain: tenant.subdomain,
            name: tenant.name,
            status: tenant.status,
            subscription_tier: tenant.subscription_tier,
            rate_limit_per_minute: tenant.rate_limit_per_minute,
            rate_limit_burst: tenant.rate_limit_burst,
            signup: tenant.signup,
            signup_domains: tenant.signup_domains,
            settings: tenant.settings,
            branding: tenant.branding,
            created_at: tenant.created_at,
            updated_at: tenant.updated_at,
            erase_after: tenant.erase_after,
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchTenant {
    #[serde(default)]
    #[schema(example = "Acme Corp", value_type = String, required = false, min_length = 1, max_length = 200)]
    name: Patchable<String>,
    /// Who may join without an invitation: nobody, anybody, or whoever has a verified address in
    /// one of `signup_domains`.
    #[serde(default)]
    #[schema(schema_with = crate::openapi::signup, required = false)]
    signup: Patchable<Signup>,
    #[serde(default)]
    #[schema(value_type = Vec<String>, required = false, max_items = 50, example = json!(["acme.example"]))]
    signup_domains: Patchable<Vec<String>>,
    /// As in the answer, merged with what is there: what is `null` is removed, what is not named stays.
    #[serde(default)]
    #[schema(value_type = Object, required = false, example = json!({ "timezone": "Europe/Berlin", "theme": null }))]
    settings: Patchable<Map<String, Value>>,
    #[serde(default)]
    #[schema(value_type = PatchBranding, required = false)]
    branding: Patchable<PatchBranding>,
}

impl TryFrom<PatchTenant> for TenantPatch {
    type Error = ApiError;

    fn try_from(body: PatchTenant) -> Result<Self, ApiError> {
        let mut v = Validation::new();
        let name = v.change("/name", body.name, |text| TenantName::parse(&text));
        let signup = v.change("/signup", body.signup, Ok::<_, Infallible>);
        let signup_domains = v.change("/signup_domains", body.signup_domains, domains);
        let settings = v.change("/settings", body.settings, Ok::<_, Infallible>);
        let settings = settings.map(|patch| patch.map(|patch| settings_patch(&mut v, patch)));
        let branding = v.change("/branding", body.branding, Ok::<_, Infallible>);
        let branding = branding.map(|patch| patch.map(|patch| branding::parse(&mut v, patch)));
        v.finish(|| {
            Some(Self {
                name: name?,
                signup: signup?,
                signup_domains: signup_domains?,
                settings: all_or_none(settings?)?,
                branding: all_or_none(branding?)?,
            })
        })
    }
}

/// `None` for what was refused.
fn all_or_none<T>(field: Option<Option<T>>) -> Option<Option<T>> {
    match field {
        Some(parsed) => parsed.map(Some),
        None => Some(None),
    }
}

fn settings_patch(v: &mut Validation, patch: Map<String, Value>) -> Option<SettingsPatch> {
    let refuse = |faults: Vec<domain::SettingsFault>| {
        for fault in faults {
            let code = match fault.error {
                SettingsError::NoText => FieldErrorCode::WrongType,
                _ => FieldErrorCode::Invalid,
            };
            v.refuse(&format!("/settings{}", fault.pointer), code, fault.error);
        }
    };
    SettingsPatch::parse(patch).map_err(refuse).ok()
}

/// A domain is what may stand behind an address's @.
fn domains(domains: Vec<String>) -> Result<Vec<String>, String> {
    if domains.len() > MAX_DOMAINS {
        return Err(format!("must have at most {MAX_DOMAINS} domains"));
    }
    let parse = |domain: String| {
        Email::parse(&format!("a@{domain}"))
            .map(|email| email.domain().to_owned())
            .map_err(|_| format!("{domain:?} is no e-mail domain"))
    };
    domains.into_iter().map(parse).collect()
}

/// The tenant that the token names. One that is to be erased is shown to its owners only.
#[utoipa::path(
    get, path = "/api/v1/tenant", tag = "tenant", operation_id = "get_tenant", security(("bearer" = [])),
    params(("If-None-Match" = Option<String>, Header)),
    responses(
        (status = 200, body = TenantView, headers(("ETag" = String))),
        (status = 304, description = "The client has this version.")
    ),
)]
pub(crate) async fn find(
    caller: Authorized<require::TenantRead>,
    services: Data<Services>,
) -> Result<Versioned<TenantView>, ApiError> {
    let found = services
        .tenants
        .read(caller.context(), |conn| {
            Ok::<_, ApiError>(tenants::find(conn)?)
        })
        .await;
    let tenant = match (found, caller.principal().user()) {
        (Err(ApiError::TenantDeleting), Some(user)) => {
            services.identity.find_deleting_tenant(user.into()).await?
        }
        (found, _) => found?,
    };
    Versioned::whole(tenant.into())
}

/// Changes what the body names (JSON Merge Patch, RFC 7396), `settings` and `branding` member by member.
#[utoipa::path(
    patch, path = "/api/v1/tenant", tag = "tenant", operation_id = "update_tenant", security(("bearer" = [])),
    params(("If-Match" = Option<String>, Header)),
    request_body(content(
        (PatchTenant = "application/merge-patch+json"),
        (PatchTenant = "application/json"),
    )),
    responses((status = 200, body = TenantView, headers(("ETag" = String)))),
)]
pub(crate) async fn update(
    caller: Authorized<require::TenantWrite>,
    if_match: IfMatch,
    Patch(body): Patch<PatchTenant>,
    services: Data<Services>,
) -> Result<Versioned<TenantView>, ApiError> {
    let patch: TenantPatch = body.try_into()?;
    let tenant = services
        .tenants
        .run(caller.context(), move |conn| {
            let current = tenants::lock(conn)?;
            if_match.check(|| tag(current.clone()))?;
            let changes = patch.onto(&current).map_err(|error| {
                ApiError::field("/settings", FieldErrorCode::Invalid, error.to_string())
            })?;
            Ok::<_, ApiError>(tenants::update(conn, &changes)?)
        })
        .await?;
    Versioned::whole(tenant.into())
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Transfer {
    /// An active member of the tenant.
    #[schema(value_type = Uuid)]
    user_id: MembershipId,
}

/// Makes another member the owner; the caller stays as an admin. Both need new tokens. Asks for a
/// recent sign-in.
#[utoipa::path(
    post, path = "/api/v1/tenant/transfer-ownership", tag = "tenant", operation_id = "transfer_ownership",
    security(("bearer" = [])), params(("Idempotency-Key" = Option<String>, Header)), request_body = Transfer,
    responses((status = 200, body = TenantView, headers(("ETag" = String))), TransferProblems),
)]
pub(crate) async fn transfer(
    caller: Authorized<require::TenantTransfer>,
    OnceBody(body, once): OnceBody<Transfer>,
    services: Data<Services>,
) -> Result<Answer<TenantView>, ApiError> {
    let user = caller.principal().user().ok_or(ApiError::KeyNotAllowed)?;
    let (account, max_age) = (user.account, services.step_up_max_age_seconds);
    once.run(&services, &caller, move |conn| {
        memberships::require_recent_sign_in(conn, max_age)?;
        memberships::transfer_ownership(conn, account, body.user_id)?;
        Versioned::whole(tenants::find(conn)?.into())
    })
    .await
}

pub(super) fn tag(tenant: Tenant) -> Result<ETag, ApiError> {
    ETag::of(&TenantView::from(tenant))
}

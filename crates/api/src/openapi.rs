//! The description of the API (OpenAPI 3.1), generated from the handlers' annotations. A test
//! compares it with the committed `openapi.json` and with the table of routes.

mod examples;
mod frame;
mod problems;
mod shared;

use domain::{
    Feature, InvitationStatus, MembershipStatus, PlanResource, ProjectSort, ProjectStatus, Role,
    Signup, SubscriptionTier, TenantStatus, WeekStart,
};
use utoipa::openapi::Ref;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};

use crate::aliases;
use crate::endpoints::{
    account, api_keys, audit_events, audit_export, auth, denials, health, history,
    invitation_acceptance, invitations, jwks, mfa, my_tenants, password, projects, reads,
    resource_versions, resources, roles, session, sessions, step_up, tenant, tenant_end,
    tenant_usage, tenants, users, verification,
};
use crate::error::FieldErrorCode;
use crate::error_code::ErrorCode;

use self::{examples::Examples, frame::Frame, problems::Shared};
pub(crate) use problems::*;

/// The whole description.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Description::openapi();
    aliases::describe(&mut document);
    document
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Rowhouse",
        description = "Many companies, one database, kept apart by PostgreSQL itself. Sign in at \
            `/api/v1/auth/login` and send `Authorization: Bearer <access_token>`; \
            programs send an API key in its place. Errors are problem \
            documents (RFC 9457) with a stable `code`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        health::live,
        health::health,
        health::ready,
        jwks::find,
        auth::register,
        auth::login,
        session::refresh,
        session::switch,
        session::logout,
        step_up::step_up,
        mfa::begin,
        mfa::confirm,
        mfa::remove,
        verification::verify,
        verification::resend,
        password::forgot,
        password::reset,
        password::change,
        account::me,
        account::update,
        account::delete,
        my_tenants::list,
        sessions::list,
        sessions::delete,
        tenants::create,
        tenant::find,
        tenant::update,
        tenant::transfer,
        tenant_usage::usage,
        tenant_usage::features,
        tenant_end::delete,
        tenant_end::restore,
        invitations::list,
        invitations::find,
        invitations::create,
        invitations::resend,
        invitations::delete,
        invitation_acceptance::accept,
        users::list,
        users::find,
        users::create,
        users::update,
        users::delete,
        roles::list,
        roles::find,
        roles::create,
        roles::update,
        roles::delete,
        api_keys::list,
        api_keys::find,
        api_keys::create,
        api_keys::delete,
        projects::list,
        projects::find,
        projects::create,
        projects::update,
        projects::delete,
        projects::restore,
        resources::list,
        resources::find,
        resources::create,
        resources::update,
        resources::delete,
        resource_versions::list,
        resource_versions::find,
        resource_versions::restore,
        audit_events::list,
        audit_export::export,
        denials::list,
        reads::list,
        history::of_project,
        history::of_resource,
        history::of_user,
        aliases::select,
        aliases::add_users,
    ),
    components(schemas(Problem, FieldProblem, history::AuthorView)),
    modifiers(&Bearer, &Frame, &Examples, &Shared),
    tags(
        (name = "auth", description = "How somebody gets a token"),
        (name = "users", description = "The account behind the token, and the members of the tenant"),
        (name = "invitations", description = "Places in the tenant that wait for somebody"),
        (name = "tenant", description = "The company itself"),
        (name = "roles", description = "What members may be"),
        (name = "api-keys", description = "Keys for programs"),
        (name = "projects", description = "What a tenant works on"),
        (name = "resources", description = "What projects are made of, and what it was before"),
        (name = "audit", description = "Who has changed and read what, and who was refused"),
        (name = "aliases", description = "Paths of another system, for those who come from it"),
        (name = "health", description = "Whether the server lives and can work"),
    ),
)]
struct Description;

/// Adds the security scheme that the operations name.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .build();
        if let Some(components) = &mut document.components {
            components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
        }
    }
}

/// A problem document (RFC 9457).
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what problem.rs writes")]
struct Problem {
    /// A relative reference to the documentation of the code.
    #[schema(example = "/docs/errors/not_found")]
    r#type: String,
    title: String,
    status: u16,
    /// What happened this time.
    detail: String,
    /// Stable: what a client may rely on.
    #[schema(schema_with = error_code)]
    code: String,
    /// Names this request in the server's log.
    request_id: String,
    /// Whose limit was reached, with a status of 429; with one of 402, how many the plan allows.
    #[schema(schema_with = problem_limit, required = false)]
    limit: Option<String>,
    /// What the plan limits, with a status of 402.
    #[schema(schema_with = plan_resource, required = false)]
    resource: Option<String>,
    /// How many there are, with a status of 402.
    #[schema(nullable = false, example = 10)]
    current: Option<i64>,
    /// When there is more, with a status of 402 for `api_calls`.
    #[schema(nullable = false)]
    resets_at: Option<chrono::DateTime<chrono::Utc>>,
    /// The values that were refused, with `validation_failed`.
    #[schema(nullable = false)]
    errors: Option<Vec<FieldProblem>>,
}

/// One value that was refused.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what problem.rs writes")]
struct FieldProblem {
    /// JSON Pointer (RFC 6901) into the body; for a query parameter into the query as an object.
    pointer: String,
    /// The query parameter's name.
    #[schema(nullable = false)]
    parameter: Option<String>,
    #[schema(schema_with = field_error_code)]
    code: String,
    detail: String,
}

fn words<'a>(words: impl Iterator<Item = &'a str>) -> Schema {
    ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .enum_values(Some(words.map(ToOwned::to_owned).collect::<Vec<_>>()))
        .build()
        .into()
}

/// What a resource holds: any object.
pub(crate) fn data() -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .examples([serde_json::json!({ "scale": 25000, "sheet": 12 })])
        .build()
        .into()
}

/// Who has set each field of an object.
pub(crate) fn authors() -> Schema {
    let author = OneOfBuilder::new()
        .item(ObjectBuilder::new().schema_type(Type::Null))
        .item(Ref::from_schema_name("FieldAuthor"))
        .build();
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(Schema::OneOf(author)))
        .description(Some(
            "For each field who has set it last, and when, by the latest 1000 events of the object; \
             `null` where none of them tells.",
        ))
        .examples([serde_json::json!({ "name": {
            "actor": { "kind": "user", "id": "01980e6f-a30b-7f0d-9a3c-5d2b8e41c07a" },
            "at": "2026-01-31T09:30:00.123456Z",
        } })])
        .build()
        .into()
}

/// What an event changed.
pub(crate) fn changes() -> Schema {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Object, Type::Null]))
        .description(Some(
            "By column what it was and what it became: times in UTC, any other value as PostgreSQL's \
             `to_jsonb` writes it. `null` once it was erased for the sake of a person.",
        ))
        .examples([serde_json::json!({ "name": { "before": "Atlas", "after": "Atlas 2" } })])
        .build()
        .into()
}

pub(crate) fn role() -> Schema {
    words(Role::ALL.iter().map(|role| role.as_str()))
}

pub(crate) fn project_status() -> Schema {
    words(ProjectStatus::ALL.iter().map(|status| status.as_str()))
}

pub(crate) fn project_sort() -> Schema {
    words(ProjectSort::ALL.iter().map(|sort| sort.as_str()))
}

pub(crate) fn tenant_status() -> Schema {
    words(TenantStatus::ALL.iter().map(|status| status.as_str()))
}

pub(crate) fn invitation_status() -> Schema {
    words(InvitationStatus::ALL.iter().map(|status| status.as_str()))
}

pub(crate) fn membership_status() -> Schema {
    words(MembershipStatus::ALL.iter().map(|status| status.as_str()))
}

pub(crate) fn signup() -> Schema {
    words(Signup::ALL.iter().map(|signup| signup.as_str()))
}

pub(crate) fn week_start() -> Schema {
    words(WeekStart::ALL.iter().map(|day| day.as_str()))
}

pub(crate) fn feature() -> Schema {
    words(Feature::ALL.iter().map(|feature| feature.as_str()))
}

pub(crate) fn feature_source() -> Schema {
    words(["tier", "tenant"].into_iter())
}

fn plan_resource() -> Schema {
    words(PlanResource::ALL.iter().map(|resource| resource.as_str()))
}

fn problem_limit() -> Schema {
    let kind = |kind| ObjectBuilder::new().schema_type(kind).build();
    OneOfBuilder::new()
        .item(kind(Type::String))
        .item(kind(Type::Integer))
        .build()
        .into()
}

pub(crate) fn subscription_tier() -> Schema {
    words(SubscriptionTier::ALL.iter().map(|tier| tier.as_str()))
}

fn error_code() -> Schema {
    words(ErrorCode::ALL.iter().map(|code| code.as_str()))
}

fn field_error_code() -> Schema {
    words(FieldErrorCode::ALL.iter().map(|code| code.as_str()))
}

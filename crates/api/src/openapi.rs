//! The description of the API (OpenAPI 3.1), generated from the handlers' annotations. A test
//! compares it with the committed `openapi.json` and with the table of routes.

use std::collections::BTreeMap;

use domain::{
    InvitationStatus, MembershipStatus, ProjectSort, ProjectStatus, Role, Signup, SubscriptionTier,
    TenantStatus,
};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, Modify, OpenApi, ToSchema};

use crate::endpoints::{
    account, api_keys, auth, health, invitation_acceptance, invitations, jwks, mfa, my_tenants,
    password, projects, resource_versions, resources, roles, session, sessions, step_up, tenant,
    tenants, users, verification,
};
use crate::error::FieldErrorCode;
use crate::error_code::ErrorCode;

/// The whole description.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Description::openapi()
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
    ),
    components(schemas(Problem, FieldProblem)),
    modifiers(&Bearer),
    tags(
        (name = "auth", description = "How somebody gets a token"),
        (name = "users", description = "The account behind the token, and the members of the tenant"),
        (name = "invitations", description = "Places in the tenant that wait for somebody"),
        (name = "tenant", description = "The company itself"),
        (name = "roles", description = "What members may be"),
        (name = "api-keys", description = "Keys for programs"),
        (name = "projects", description = "What a tenant works on"),
        (name = "resources", description = "What projects are made of, and what it was before"),
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
    /// Whose limit was reached, with a status of 429.
    #[schema(nullable = false, example = "address")]
    limit: Option<String>,
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

/// The problems that an operation can answer with, by status.
pub(crate) fn problems(codes: &[ErrorCode]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for code in codes {
        by_status
            .entry(code.status().as_u16().to_string())
            .or_default()
            .push(code.as_str());
    }
    by_status
        .into_iter()
        .map(|(status, codes)| {
            let list: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
            let content = ContentBuilder::new()
                .schema(Some(Ref::from_schema_name("Problem")))
                .build();
            let response = ResponseBuilder::new()
                .description(list.join(", "))
                .content("application/problem+json", content)
                .build();
            (status, response.into())
        })
        .collect()
}

macro_rules! problem_sets {
    ($($(#[$doc:meta])* $name:ident => [$($code:ident),+ $(,)?];)+) => {
        $(
            $(#[$doc])*
            pub(crate) struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    problems(&[$(ErrorCode::$code),+])
                }
            }
        )+
    };
}

problem_sets! {
    /// Registration.
    RegisterProblems => [MalformedRequest, MalformedBody, MalformedJson, InvalidCredentials, MfaRequired, SignupClosed, CaptchaUnavailable,
        RequestTimeout, EmailTaken, SlugTaken, PayloadTooLarge, UnsupportedMediaType, ValidationFailed,
        TooManyAttempts, Internal, Busy, DatabaseUnavailable];
    /// Sign-in.
    LoginProblems => [MalformedRequest, MalformedBody, MalformedJson, InvalidCredentials, MfaRequired, EmailNotVerified, TenantSuspended,
        RequestTimeout, PayloadTooLarge, UnsupportedMediaType, ValidationFailed, TooManyAttempts, Internal, Busy,
        DatabaseUnavailable];
    /// Proving once more who one is.
    StepUpProblems => [MalformedRequest, KeyNotAllowed, MalformedBody, MalformedJson, TenantAmbiguous, MissingToken, InvalidToken,
        InvalidCredentials, MfaRequired, SessionRevoked, TokenStale, TenantMismatch, RequestTimeout, PayloadTooLarge,
        UnsupportedMediaType, ValidationFailed, TooManyAttempts, Internal, Busy, DatabaseUnavailable];
    /// Beginning with a second factor.
    BeginMfaProblems => [TenantAmbiguous, KeyNotAllowed, IdempotencyKeyNotAllowed, MissingToken, InvalidToken, SessionRevoked, TokenStale, StepUpRequired,
        TenantMismatch, Conflict, Internal, Busy, DatabaseUnavailable];
    /// The first code.
    ConfirmMfaProblems => [MalformedRequest, KeyNotAllowed, MalformedBody, MalformedJson, TenantAmbiguous, MissingToken, InvalidToken,
        InvalidCredentials, SessionRevoked, TokenStale, TenantMismatch, Conflict, RequestTimeout, PayloadTooLarge,
        UnsupportedMediaType, ValidationFailed, TooManyAttempts, Internal, Busy, DatabaseUnavailable];
    /// Doing without a second factor.
    RemoveMfaProblems => [TenantAmbiguous, KeyNotAllowed, MissingToken, InvalidToken, SessionRevoked, TokenStale, StepUpRequired,
        TenantMismatch, NotFound, Internal, Busy, DatabaseUnavailable];
    /// Handing the tenant over.
    TransferProblems => [MalformedRequest, KeyNotAllowed, MalformedBody, MalformedJson, TenantAmbiguous, MissingToken, InvalidToken,
        SessionRevoked, TokenStale, StepUpRequired, Forbidden, NoTenant, TenantMismatch, TenantSuspended, NotAMember,
        NotFound, Conflict, RequestTimeout, PayloadTooLarge, UnsupportedMediaType, ValidationFailed, Internal, Busy,
        DatabaseUnavailable];
    /// A mail that is asked for.
    RequestMailProblems => [MalformedRequest, MalformedBody, MalformedJson, RequestTimeout, PayloadTooLarge,
        UnsupportedMediaType, ValidationFailed, Internal, Busy, DatabaseUnavailable];
    /// A link that is followed.
    FollowLinkProblems => [MalformedRequest, MalformedBody, MalformedJson, InvalidToken, RequestTimeout,
        PayloadTooLarge, UnsupportedMediaType, ValidationFailed, Internal, Busy, DatabaseUnavailable];
    /// The next tokens.
    RefreshProblems => [MalformedRequest, MalformedBody, MalformedJson, InvalidToken, SessionRevoked, RequestTimeout,
        PayloadTooLarge, UnsupportedMediaType, ValidationFailed, Internal, Busy, DatabaseUnavailable];
    /// Another tenant.
    SwitchProblems => [MalformedRequest, MalformedBody, MalformedJson, MissingToken, InvalidToken, SessionRevoked,
        TenantSuspended, NotAMember, RequestTimeout, PayloadTooLarge, UnsupportedMediaType, ValidationFailed,
        Internal, Busy, DatabaseUnavailable, KeyNotAllowed];
    /// Sign-out.
    LogoutProblems => [MalformedRequest, MalformedBody, MalformedJson, MissingToken, InvalidToken, SessionRevoked,
        RequestTimeout, PayloadTooLarge, UnsupportedMediaType, ValidationFailed, Internal, Busy, DatabaseUnavailable, KeyNotAllowed];
    /// Another password.
    ChangePasswordProblems => [MalformedRequest, MalformedBody, MalformedJson, TenantAmbiguous, MissingToken,
        InvalidToken, InvalidCredentials, SessionRevoked, TokenStale, TenantMismatch, RequestTimeout,
        PayloadTooLarge, UnsupportedMediaType, ValidationFailed, TooManyAttempts, Internal, Busy,
        DatabaseUnavailable, KeyNotAllowed];
    /// Changing one's own account.
    UpdateAccountProblems => [MalformedRequest, MalformedBody, MalformedJson, TenantAmbiguous, MissingToken,
        InvalidToken, SessionRevoked, TokenStale, TenantMismatch, RequestTimeout, PayloadTooLarge,
        UnsupportedMediaType, ValidationFailed, Internal, Busy, DatabaseUnavailable, KeyNotAllowed];
    /// Ending one's own account.
    DeleteAccountProblems => [TenantAmbiguous, MissingToken, InvalidToken, SessionRevoked, TokenStale, TenantMismatch,
        LastOwner, Internal, Busy, DatabaseUnavailable, KeyNotAllowed];
    /// Founding a tenant.
    CreateTenantProblems => [MalformedRequest, MalformedBody, MalformedJson, TenantAmbiguous, MissingToken,
        InvalidToken, SessionRevoked, TokenStale, Forbidden, TenantMismatch, RequestTimeout, SlugTaken,
        PayloadTooLarge, UnsupportedMediaType, ValidationFailed, Internal, Busy, DatabaseUnavailable, KeyNotAllowed];
    /// Reading a list of one's own.
    AccountListProblems => [TenantAmbiguous, MissingToken, InvalidToken, SessionRevoked, TokenStale, TenantMismatch,
        ValidationFailed, Internal, Busy, DatabaseUnavailable, KeyNotAllowed];
    /// Ending one of one's sessions.
    DeleteSessionProblems => [TenantAmbiguous, MissingToken, InvalidToken, SessionRevoked, TokenStale,
        TenantMismatch, NotFound, Internal, Busy, DatabaseUnavailable, KeyNotAllowed];
    /// Reading one's own account.
    AccountProblems => [TenantAmbiguous, MissingToken, InvalidToken, SessionRevoked, TokenStale, TenantMismatch,
        Internal, Busy, DatabaseUnavailable, KeyNotAllowed];
    /// Reading a list.
    ListProblems => [TenantAmbiguous, MissingToken, InvalidToken, SessionRevoked, TokenStale, Forbidden, NoTenant,
        TenantMismatch, TenantSuspended, NotAMember, ValidationFailed, Internal, Busy, DatabaseUnavailable];
    /// Reading one thing.
    FindProblems => [TenantAmbiguous, MissingToken, InvalidToken, SessionRevoked, TokenStale, Forbidden, NoTenant,
        TenantMismatch, TenantSuspended, NotAMember, NotFound, PreconditionFailed, ValidationFailed, Internal, Busy,
        DatabaseUnavailable];
    /// Making something.
    CreateProblems => [MalformedRequest, MalformedBody, MalformedJson, TenantAmbiguous, MissingToken, InvalidToken,
        SessionRevoked, TokenStale, Forbidden, NoTenant, TenantMismatch, TenantSuspended, NotAMember, RequestTimeout,
        PayloadTooLarge, UnsupportedMediaType, ValidationFailed, Internal, Busy, DatabaseUnavailable];
    /// Making a user.
    CreateUserProblems => [MalformedRequest, MalformedBody, MalformedJson, TenantAmbiguous, MissingToken,
        InvalidToken, SessionRevoked, TokenStale, Forbidden, NoTenant, TenantMismatch, TenantSuspended, NotAMember,
        RequestTimeout, EmailTaken, PayloadTooLarge, UnsupportedMediaType, ValidationFailed, Internal, Busy,
        DatabaseUnavailable];
    /// Inviting.
    CreateInvitationProblems => [MalformedRequest, MalformedBody, MalformedJson, TenantAmbiguous, MissingToken,
        InvalidToken, SessionRevoked, TokenStale, Forbidden, NoTenant, TenantMismatch, TenantSuspended, NotAMember,
        RequestTimeout, EmailTaken, PayloadTooLarge, UnsupportedMediaType, ValidationFailed, Internal, Busy,
        DatabaseUnavailable];
    /// Sending an invitation anew, and revoking it.
    PendingInvitationProblems => [TenantAmbiguous, MissingToken, InvalidToken, SessionRevoked, TokenStale, Forbidden,
        NoTenant, TenantMismatch, TenantSuspended, NotAMember, NotFound, NotPending, Internal, Busy,
        DatabaseUnavailable];
    /// Accepting an invitation.
    AcceptInvitationProblems => [MalformedRequest, MalformedBody, MalformedJson, InvalidToken, InvalidCredentials,
        MfaRequired, TooManyAttempts, KeyNotAllowed, SessionRevoked, TokenStale, OtherAddress, RequestTimeout, EmailTaken, PayloadTooLarge, UnsupportedMediaType,
        ValidationFailed, Internal, Busy, DatabaseUnavailable];
    /// Changing a user.
    UpdateUserProblems => [MalformedRequest, MalformedBody, MalformedJson, TenantAmbiguous, MissingToken,
        InvalidToken, SessionRevoked, TokenStale, Forbidden, NoTenant, TenantMismatch, TenantSuspended, NotAMember,
        NotFound, RequestTimeout, LastOwner, PayloadTooLarge, UnsupportedMediaType, ValidationFailed, Internal, Busy,
        DatabaseUnavailable];
    /// Removing a user.
    DeleteUserProblems => [TenantAmbiguous, MissingToken, InvalidToken, SessionRevoked, TokenStale, Forbidden,
        NoTenant, TenantMismatch, TenantSuspended, NotAMember, NotFound, LastOwner, Internal, Busy,
        DatabaseUnavailable];
    /// Reading the tenant.
    TenantProblems => [TenantAmbiguous, MissingToken, InvalidToken, SessionRevoked, TokenStale, Forbidden, NoTenant,
        TenantMismatch, TenantSuspended, NotAMember, Internal, Busy, DatabaseUnavailable];
    /// Changing the tenant.
    UpdateTenantProblems => [MalformedRequest, MalformedBody, MalformedJson, TenantAmbiguous, MissingToken,
        InvalidToken, SessionRevoked, TokenStale, Forbidden, NoTenant, TenantMismatch, TenantSuspended, NotAMember,
        RequestTimeout, PayloadTooLarge, UnsupportedMediaType, ValidationFailed, Internal, Busy,
        DatabaseUnavailable];
    /// Making a role.
    CreateRoleProblems => [MalformedRequest, MalformedBody, MalformedJson, TenantAmbiguous, MissingToken, InvalidToken, SessionRevoked, TokenStale, Forbidden, NoTenant, TenantMismatch, TenantSuspended, NotAMember, RequestTimeout, RoleNameTaken, PayloadTooLarge, UnsupportedMediaType, ValidationFailed, Internal, Busy, DatabaseUnavailable];
    /// Changing a role.
    UpdateRoleProblems => [MalformedRequest, MalformedBody, MalformedJson, TenantAmbiguous, MissingToken, InvalidToken, SessionRevoked, TokenStale, Forbidden, NoTenant, TenantMismatch, TenantSuspended, NotAMember, BuiltInRole, NotFound, RequestTimeout, RoleNameTaken, PayloadTooLarge, UnsupportedMediaType, ValidationFailed, Internal, Busy, DatabaseUnavailable];
    /// Removing a role.
    DeleteRoleProblems => [TenantAmbiguous, MissingToken, InvalidToken, SessionRevoked, TokenStale, Forbidden, NoTenant, TenantMismatch, TenantSuspended, NotAMember, BuiltInRole, NotFound, RoleInUse, Internal, Busy, DatabaseUnavailable];
    /// Making a key.
    CreateApiKeyProblems => [MalformedRequest, MalformedBody, MalformedJson, TenantAmbiguous, IdempotencyKeyNotAllowed, MissingToken, InvalidToken, SessionRevoked, TokenStale, Forbidden, NoTenant, TenantMismatch, TenantSuspended, NotAMember, RequestTimeout, PayloadTooLarge, UnsupportedMediaType, ValidationFailed, Internal, Busy, DatabaseUnavailable];
    /// Revoking a key.
    DeleteApiKeyProblems => [TenantAmbiguous, MissingToken, InvalidToken, SessionRevoked, TokenStale, Forbidden, NoTenant, TenantMismatch, TenantSuspended, NotAMember, NotFound, Internal, Busy, DatabaseUnavailable];
    /// Changing one thing.
    UpdateProblems => [MalformedRequest, MalformedBody, MalformedJson, TenantAmbiguous, MissingToken, InvalidToken,
        SessionRevoked, TokenStale, Forbidden, NoTenant, TenantMismatch, TenantSuspended, NotAMember, NotFound,
        RequestTimeout, PreconditionFailed, PayloadTooLarge, UnsupportedMediaType, ValidationFailed, Internal, Busy,
        DatabaseUnavailable];
    /// Removing one thing.
    DeleteProblems => [TenantAmbiguous, MissingToken, InvalidToken, SessionRevoked, TokenStale, Forbidden, NoTenant,
        TenantMismatch, TenantSuspended, NotAMember, NotFound, PreconditionFailed, Internal, Busy,
        DatabaseUnavailable];
    /// Reading a list that belongs to something.
    ListResourcesProblems => [TenantAmbiguous, MissingToken, InvalidToken, SessionRevoked, TokenStale, Forbidden,
        NoTenant, TenantMismatch, TenantSuspended, NotAMember, NotFound, ValidationFailed, Internal, Busy,
        DatabaseUnavailable];
    /// Making something that belongs to something else.
    CreateResourceProblems => [MalformedRequest, MalformedBody, MalformedJson, TenantAmbiguous, MissingToken,
        InvalidToken, SessionRevoked, TokenStale, Forbidden, NoTenant, TenantMismatch, TenantSuspended, NotAMember,
        NotFound, RequestTimeout, PayloadTooLarge, UnsupportedMediaType, ValidationFailed, Internal, Busy,
        DatabaseUnavailable];
    /// Making something again what it was.
    RestoreVersionProblems => [TenantAmbiguous, MissingToken, InvalidToken, SessionRevoked, TokenStale, Forbidden,
        NoTenant, TenantMismatch, TenantSuspended, NotAMember, NotFound, PreconditionFailed, Internal, Busy,
        DatabaseUnavailable];
    /// Bringing one thing back.
    RestoreProblems => [TenantAmbiguous, MissingToken, InvalidToken, SessionRevoked, TokenStale, Forbidden, NoTenant,
        TenantMismatch, TenantSuspended, NotAMember, NotFound, NotDeleted, PreconditionFailed, Internal, Busy,
        DatabaseUnavailable];
}

fn words<'a>(words: impl Iterator<Item = &'a str>) -> Schema {
    ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .enum_values(Some(words.map(ToOwned::to_owned).collect::<Vec<_>>()))
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

pub(crate) fn subscription_tier() -> Schema {
    words(SubscriptionTier::ALL.iter().map(|tier| tier.as_str()))
}

fn error_code() -> Schema {
    words(ErrorCode::ALL.iter().map(|code| code.as_str()))
}

fn field_error_code() -> Schema {
    words(FieldErrorCode::ALL.iter().map(|code| code.as_str()))
}

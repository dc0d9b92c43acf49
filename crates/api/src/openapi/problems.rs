//! The problems that operations answer with for reasons of their own. What every operation of its kind
//! answers with besides, `frame.rs` adds.

use std::collections::BTreeMap;

use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder, Responses};
use utoipa::{IntoResponses, Modify};

use super::frame::operations;
use crate::error_code::ErrorCode;

/// What a problem is answered as.
const MEDIA_TYPE: &str = "application/problem+json";

/// Adds a code to those that an operation answers with, under its status.
pub(super) fn add_problem(responses: &mut Responses, code: ErrorCode) {
    let status = code.status().as_u16().to_string();
    let response = responses.responses.entry(status).or_insert_with(|| {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name("Problem")))
            .build();
        ResponseBuilder::new()
            .content(MEDIA_TYPE, content)
            .build()
            .into()
    });
    if let RefOr::T(response) = response {
        let word = format!("`{}`", code.as_str());
        if response.description.is_empty() {
            response.description = word;
        } else if !response.description.contains(&word) {
            response.description = format!("{}, {word}", response.description);
        }
    }
}

/// The codes that a response says it has.
pub(super) fn codes_of(response: &Response) -> Vec<ErrorCode> {
    if !response.content.contains_key(MEDIA_TYPE) {
        return Vec::new();
    }
    let words: Vec<&str> = response.description.split('`').collect();
    let codes = ErrorCode::ALL.iter().copied();
    codes
        .filter(|code| words.contains(&code.as_str()))
        .collect()
}

/// Names every response with problems after its codes, so that operations with the same ones share
/// it: most have.
pub(super) struct Shared;

impl Modify for Shared {
    fn modify(&self, document: &mut OpenApi) {
        let Some(components) = &mut document.components else {
            return;
        };
        for item in document.paths.paths.values_mut() {
            for (_, operation) in operations(item) {
                for (status, response) in &mut operation.responses.responses {
                    let RefOr::T(problems) = &*response else {
                        continue;
                    };
                    let codes = codes_of(problems);
                    if codes.is_empty() {
                        continue;
                    }
                    let codes: Vec<&str> = codes.into_iter().map(ErrorCode::as_str).collect();
                    let name = format!("{status}-{}", codes.join("-"));
                    let shared = Ref::new(format!("#/components/responses/{name}"));
                    let problems = std::mem::replace(response, RefOr::Ref(shared));
                    components.responses.insert(name, problems);
                }
            }
        }
    }
}

macro_rules! problem_sets {
    ($($(#[$doc:meta])* $name:ident => [$($code:ident),+ $(,)?];)+) => {
        $(
            $(#[$doc])*
            pub(crate) struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    let mut responses = Responses::default();
                    for code in [$(ErrorCode::$code),+] {
                        add_problem(&mut responses, code);
                    }
                    responses.responses
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
    LoginProblems => [MalformedRequest, MalformedBody, MalformedJson, InvalidCredentials, MfaRequired, EmailNotVerified, TenantSuspended, TenantDeleting,
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
        TenantSuspended, TenantDeleting, NotAMember, RequestTimeout, PayloadTooLarge, UnsupportedMediaType, ValidationFailed,
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
    UpdateUserProblems => [Conflict, MalformedRequest, MalformedBody, MalformedJson, TenantAmbiguous, MissingToken,
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
    /// Deleting the tenant.
    DeleteTenantProblems => [StepUpRequired, Conflict];
    /// Bringing the tenant back.
    RestoreTenantProblems => [NotDeleted];
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

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
    RegisterProblems => [PlanLimitExceeded, InvalidCredentials, MfaRequired, SignupClosed, CaptchaUnavailable, EmailTaken, SlugTaken, TooManyTenants, TooManyAttempts];
    /// Sign-in.
    LoginProblems => [TenantSuspended, TenantDeleting, InvalidCredentials, MfaRequired, EmailNotVerified, TooManyAttempts];
    /// Proving once more who one is.
    StepUpProblems => [InvalidCredentials, MfaRequired, TooManyAttempts];
    /// Beginning with a second factor.
    BeginMfaProblems => [StepUpRequired, Conflict];
    /// The first code.
    ConfirmMfaProblems => [InvalidCredentials, Conflict, TooManyAttempts];
    /// Doing without a second factor.
    RemoveMfaProblems => [NotFound, StepUpRequired];
    /// Handing the tenant over.
    TransferProblems => [KeyNotAllowed, NotFound, StepUpRequired, Conflict];
    /// A link that is followed.
    FollowLinkProblems => [InvalidToken];
    /// The next tokens.
    RefreshProblems => [InvalidToken, SessionRevoked];
    /// Another tenant.
    SwitchProblems => [TenantSuspended, TenantDeleting, NotAMember];
    /// Sign-out.
    LogoutProblems => [MissingToken, InvalidToken, SessionRevoked, KeyNotAllowed];
    /// Another password.
    ChangePasswordProblems => [InvalidCredentials, TooManyAttempts];
    /// Ending one's own account.
    DeleteAccountProblems => [StepUpRequired, LastOwner];
    /// Founding a tenant.
    CreateTenantProblems => [Forbidden, SlugTaken, TooManyTenants];
    /// Making a user.
    CreateUserProblems => [EmailTaken];
    /// Inviting.
    CreateInvitationProblems => [EmailTaken];
    /// Sending an invitation anew, and revoking it.
    PendingInvitationProblems => [NotPending];
    /// Accepting an invitation.
    AcceptInvitationProblems => [PlanLimitExceeded, InvalidToken, SessionRevoked, TokenStale, KeyNotAllowed, InvalidCredentials, MfaRequired, TooManyAttempts, OtherAddress, EmailTaken];
    /// Changing a user.
    UpdateUserProblems => [Conflict, LastOwner];
    /// Removing a user.
    DeleteUserProblems => [LastOwner];
    /// Deleting the tenant.
    DeleteTenantProblems => [StepUpRequired, Conflict];
    /// Bringing the tenant back.
    RestoreTenantProblems => [NotDeleted];
    /// Making a role.
    CreateRoleProblems => [FeatureDisabled, RoleNameTaken];
    /// Changing a role.
    UpdateRoleProblems => [BuiltInRole, RoleNameTaken];
    /// Making a key.
    CreateKeyProblems => [FeatureDisabled];
    /// Removing a role.
    DeleteRoleProblems => [BuiltInRole, RoleInUse];
    /// Reading a list that belongs to something.
    ListResourcesProblems => [NotFound];
    /// Making something that belongs to something else.
    CreateResourceProblems => [NotFound];
    /// Bringing one thing back.
    RestoreProblems => [NotDeleted];
}

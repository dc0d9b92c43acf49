//! `/users`: the members of the tenant.

use actix_web::{HttpResponse, http::header, web::Data};
use auth::Password;
use chrono::{DateTime, Utc};
use domain::{Email, FullName, Membership, MembershipId, MembershipStatus, Role};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    authenticate::Authorized,
    error::{ApiError, FieldErrorCode},
    extract::Body,
    openapi::CreateUserProblems,
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
    /// At most the caller's own.
    #[schema(schema_with = crate::openapi::role)]
    role: Role,
    /// At least 8 characters, at most 71 bytes.
    #[schema(example = "securepass123", min_length = 8, max_length = 71)]
    password: Option<String>,
}

struct ManagedAccount {
    email: Email,
    full_name: FullName,
    role: Role,
    password: Password,
}

impl TryFrom<CreateUser> for ManagedAccount {
    type Error = ApiError;

    fn try_from(body: CreateUser) -> Result<Self, ApiError> {
        let mut v = Validation::new();
        let email = v.parse("/email", Email::parse(&body.email));
        let full_name = v.parse("/full_name", FullName::parse(&body.full_name));
        let password = match &body.password {
            Some(password) => v.parse("/password", Password::parse_new(password)),
            None => {
                v.refuse(
                    "/password",
                    FieldErrorCode::MissingField,
                    "is needed: invitations are not served yet",
                );
                None
            }
        };
        v.finish(|| {
            Some(Self {
                email: email?,
                full_name: full_name?,
                role: body.role,
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
    email: String,
    full_name: String,
    #[schema(schema_with = crate::openapi::role)]
    role: Role,
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
            email: member.email,
            full_name: member.full_name,
            role: member.role,
            status: member.status,
            created_at: member.created_at,
            updated_at: member.updated_at,
        }
    }
}

/// A managed account: it belongs to this tenant alone.
#[utoipa::path(
    post, path = "/api/v1/users", tag = "users", operation_id = "create_user", security(("bearer" = [])),
    request_body = CreateUser,
    responses(
        (status = 201, body = UserView, headers(("Location" = String))),
        CreateUserProblems,
    ),
)]
pub(crate) async fn create(
    caller: Authorized<require::UsersWrite>,
    Body(body): Body<CreateUser>,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let ManagedAccount {
        email,
        full_name,
        role,
        password,
    } = body.try_into()?;
    if !caller.tenant().role.may_grant(role) {
        return Err(ApiError::Forbidden);
    }
    let hash = services.passwords.hash(password).await?;
    let member = services
        .tenants
        .run(caller.context(), move |conn| {
            Ok::<_, ApiError>(store::memberships::insert_managed(
                conn, &email, &full_name, &hash, role,
            )?)
        })
        .await?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/users/{}", member.id)))
        .json(UserView::from(member)))
}

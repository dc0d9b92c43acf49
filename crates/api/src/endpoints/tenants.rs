//! `/tenants`: how somebody who has an account founds another company.

use actix_web::{HttpResponse, http::header, web::Data};
use domain::{TenantName, TenantSlug};
use serde::Deserialize;
use store::Slug;
use utoipa::ToSchema;

use super::tenant::TenantView;
use crate::{
    authenticate::Authenticated,
    error::{ApiError, FieldErrorCode},
    extract::Body,
    openapi::CreateTenantProblems,
    services::Services,
    validation::Validation,
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateTenant {
    #[schema(example = "Acme Corporation", min_length = 1, max_length = 200)]
    name: String,
    /// Default: made of the name.
    #[schema(example = "acme-corp", min_length = 3, max_length = 63)]
    slug: Option<String>,
}

struct NewTenant {
    name: TenantName,
    slug: Slug,
}

impl TryFrom<CreateTenant> for NewTenant {
    type Error = ApiError;

    fn try_from(body: CreateTenant) -> Result<Self, ApiError> {
        let mut v = Validation::new();
        let name = v.parse("/name", TenantName::parse(&body.name));
        let slug = match body.slug {
            Some(slug) => v.parse("/slug", TenantSlug::parse(&slug)).map(Slug::Chosen),
            None => {
                let suggested = name
                    .as_ref()
                    .map(|name| TenantSlug::from_name(name.as_str()));
                if suggested == Some(None) {
                    let detail = "is needed: the name suggests none";
                    v.refuse("/slug", FieldErrorCode::MissingField, detail);
                }
                suggested.flatten().map(Slug::Suggested)
            }
        };
        v.finish(|| {
            Some(Self {
                name: name?,
                slug: slug?,
            })
        })
    }
}

/// A tenant whose owner the caller is. The session stays where it stands: switch to work there.
#[utoipa::path(
    post, path = "/api/v1/tenants", tag = "tenant", operation_id = "create_tenant", security(("bearer" = [])),
    request_body = CreateTenant,
    responses(
        (status = 201, body = TenantView, headers(("Location" = String, description = "Where it is read, by a token that names it"))),
        CreateTenantProblems,
    ),
)]
pub(crate) async fn create(
    caller: Authenticated,
    Body(body): Body<CreateTenant>,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let NewTenant { name, slug } = body.try_into()?;
    let caller = caller.principal().into();
    let tenant = services
        .identity
        .create_tenant(caller, slug, name, services.limits)
        .await?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, "/api/v1/tenant"))
        .json(TenantView::from(tenant)))
}

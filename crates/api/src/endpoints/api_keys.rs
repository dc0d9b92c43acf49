//! `/api-keys`: keys for programs.

use actix_web::{
    HttpResponse,
    http::header,
    web::{Data, Json},
};
use auth::{KeySecret, PermissionSet};
use chrono::{DateTime, Utc};
use domain::{ApiKey, ApiKeyId, ApiKeyName, Feature};
use serde::{Deserialize, Serialize};
use store::{
    api_keys::{self, NewApiKey},
    features, within_plan,
};
use utoipa::ToSchema;

use super::NoFilters;
use crate::{
    authenticate::Authorized,
    error::{ApiError, FieldErrorCode},
    extract::{Body, PathId},
    list::{List, ListQuery, PageParams},
    openapi::CreateKeyProblems,
    permission_list, require,
    services::Services,
    validation::Validation,
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateApiKey {
    #[schema(example = "nightly export", min_length = 1, max_length = 100)]
    name: String,
    /// What it may do: permissions of the caller's own, at least one. Keys make no keys, manage no
    /// roles and dispose of no tenant.
    #[schema(example = json!(["projects:read"]), min_items = 1)]
    scopes: Vec<String>,
    /// When it ends; by itself never, where this is missing or `null`.
    expires_at: Option<DateTime<Utc>>,
}

impl CreateApiKey {
    fn parse(self, own: &PermissionSet, now: DateTime<Utc>) -> Result<NewApiKey, ApiError> {
        let mut v = Validation::new();
        let name = v.parse("/name", ApiKeyName::parse(&self.name));
        let scopes = permission_list::parse(&mut v, "/scopes", &self.scopes, |permission| {
            if !permission.is_scope() {
                Err("is not for API keys".to_owned())
            } else if own.contains(permission) {
                Ok(())
            } else {
                Err("is beyond your own permissions".to_owned())
            }
        });
        if self.scopes.is_empty() {
            v.refuse("/scopes", FieldErrorCode::Invalid, "must not be empty");
        }
        if self.expires_at.is_some_and(|end| end <= now) {
            v.refuse(
                "/expires_at",
                FieldErrorCode::Invalid,
                "must be in the future",
            );
        }
        v.finish(|| {
            Some(NewApiKey {
                name: name?,
                scopes: scopes?,
                expires_at: self.expires_at,
            })
        })
    }
}

/// A key as admins see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(crate) struct ApiKeyView {
    #[schema(value_type = Uuid)]
    id: ApiKeyId,
    #[schema(example = "nightly export")]
    name: String,
    /// How the key begins.
    #[schema(example = "rh_0a1b2c3d4e5f")]
    prefix: String,
    #[schema(example = json!(["projects:read"]))]
    scopes: Vec<String>,
    #[schema(required)]
    expires_at: Option<DateTime<Utc>>,
    /// To the minute.
    #[schema(required)]
    last_used_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            prefix: key.prefix,
            scopes: key.scopes,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            created_at: key.created_at,
        }
    }
}

// No `Debug`: it holds the key in the clear.

/// A key, this once with its text.
#[derive(Serialize, ToSchema)]
#[schema(as = NewApiKey)]
pub(crate) struct NewApiKeyView {
    #[serde(flatten)]
    view: ApiKeyView,
    /// To be sent as `Authorization: Bearer`. Shown this once and kept nowhere.
    #[schema(example = "rh_0a1b2c3d4e5f_3q2-796tvu_erb7v3q2-796tvu_erb7v3q2-796tvu_erb7v")]
    key: String,
}

/// A page of keys, as a client gets it.
#[derive(ToSchema)]
#[schema(as = ApiKeyList)]
#[expect(dead_code, reason = "describes what list.rs writes")]
pub(crate) struct ApiKeyListView {
    data: Vec<ApiKeyView>,
    /// For the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// The keys of the tenant, newest first; expired ones too.
#[utoipa::path(
    get, path = "/api/v1/api-keys", tag = "api-keys", operation_id = "list_api_keys", security(("bearer" = [])),
    params(PageParams),
    responses(
        (status = 200, body = ApiKeyListView, headers(("Link" = String, description = "`rel=\"next\"`, where there is a next page")))
    ),
)]
pub(crate) async fn list(
    caller: Authorized<require::ApiKeysRead>,
    query: ListQuery<NoFilters>,
    services: Data<Services>,
) -> Result<List<ApiKeyView>, ApiError> {
    let page = query.page::<ApiKeyId>(caller.tenant().id)?;
    let (after, limit) = (page.after().copied(), page.rows_to_read());
    let keys = services
        .tenants
        .read(caller.context(), move |conn| {
            Ok::<_, ApiError>(api_keys::list(conn, after, limit)?)
        })
        .await?;
    page.answer(keys, |key| key.id, ApiKeyView::from)
}

/// One key.
#[utoipa::path(
    get, path = "/api/v1/api-keys/{id}", tag = "api-keys", operation_id = "get_api_key", security(("bearer" = [])),
    params(("id" = Uuid, Path)),
    responses((status = 200, body = ApiKeyView)),
)]
pub(crate) async fn find(
    caller: Authorized<require::ApiKeysRead>,
    PathId(id): PathId<ApiKeyId>,
    services: Data<Services>,
) -> Result<Json<ApiKeyView>, ApiError> {
    let key = services
        .tenants
        .read(caller.context(), move |conn| {
            Ok::<_, ApiError>(api_keys::find(conn, id)?)
        })
        .await?;
    Ok(Json(key.into()))
}

/// A new key, shown this once. It is good for as long as the caller may do all that it may: no
/// longer than the membership is active, and the role has its scopes.
#[utoipa::path(
    post, path = "/api/v1/api-keys", tag = "api-keys", operation_id = "create_api_key", security(("bearer" = [])),
    request_body = CreateApiKey,
    responses(
        (status = 201, body = NewApiKeyView, headers(("Location" = String))),
        CreateKeyProblems,
    ),
)]
pub(crate) async fn create(
    caller: Authorized<require::ApiKeysWrite>,
    Body(body): Body<CreateApiKey>,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let new = body.parse(&caller.permissions(), Utc::now())?;
    let limits = services.limits;
    let secret = KeySecret::generate();
    let key = secret.reveal();
    let made = services
        .tenants
        .run(caller.context(), move |conn| {
            features::require(conn, Feature::ApiKeys)?;
            let made = within_plan(conn, &limits, |conn, room| {
                api_keys::insert(conn, room, &new, &secret)
            });
            Ok::<_, ApiError>(made?)
        })
        .await?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/api-keys/{}", made.id)))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(NewApiKeyView {
            view: made.into(),
            key,
        }))
}

/// Revokes a key: with the next request it is good for nothing.
#[utoipa::path(
    delete, path = "/api/v1/api-keys/{id}", tag = "api-keys", operation_id = "delete_api_key",
    security(("bearer" = [])), params(("id" = Uuid, Path)),
    responses((status = 204, description = "It is gone.")),
)]
pub(crate) async fn delete(
    caller: Authorized<require::ApiKeysWrite>,
    PathId(id): PathId<ApiKeyId>,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    services
        .tenants
        .run(caller.context(), move |conn| {
            Ok::<_, ApiError>(api_keys::delete(conn, id)?)
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

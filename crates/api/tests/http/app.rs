//! The harness: a server with one route per thing to be tested, callers as values, answers that
//! check what every answer promises.

use actix_web::{
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::{Next, from_fn},
    web::{self, Json, ServiceConfig},
};
use api::{
    ApiError, AppState, Authenticated, Authorized, Claim, CorsSettings, CursorKey, List, ListQuery,
    Patchable, RateLimits, RequestId, Server, ServerSettings, Validation,
    etag::{ETag, IfMatch, Versioned},
    extract::{Body, Patch, PathId, QueryParams},
    require,
    routes::{self, at},
};
use auth::{AccessTokenSettings, AccessTokens, SigningKey, TenantClaim, UserPrincipal};
use chrono::Utc;
use domain::{AccountId, Email, ProjectId, ProjectName, Role, SessionId, TenantId};
use reqwest::{Method, RequestBuilder, header::HeaderMap};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

const SECRET: &str = "a secret of the tests, 32 bytes or more";
/// Whose pages may call.
pub(crate) const ORIGIN: &str = "https://app.example";
/// The only thing that exists at `/things/{id}`.
pub(crate) const THING: &str = "0198c0de-0000-7000-8000-00000000000a";
pub(crate) const THING_VERSION: i32 = 3;
/// How many numbers the list at `/numbers` has, from 1 on.
pub(crate) const NUMBERS: u32 = 45;

pub(crate) struct TestApp {
    pub(crate) address: SocketAddr,
    state: Arc<AppState>,
    client: reqwest::Client,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl TestApp {
    pub(crate) fn start() -> Self {
        Self::start_with(ServerSettings::default())
    }

    /// On threads of its own, so that a test may block.
    pub(crate) fn start_with(settings: ServerSettings) -> Self {
        let state = Arc::new(state(settings));
        let (sender, receiver) = mpsc::channel();
        let served = Arc::clone(&state);
        thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
                let server =
                    Server::listen_routes(Claim::of(any_port).unwrap(), served, test_routes)
                        .unwrap();
                sender.send(server.addresses()[0]).unwrap();
                server.run().await.unwrap();
            });
        });
        Self {
            address: receiver.recv().unwrap(),
            state,
            client: reqwest::Client::new(),
        }
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method: Method = method.parse().unwrap();
        self.client
            .request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.request("GET", path)).await
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        media_type: &str,
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let request = self
            .request("POST", path)
            .header("content-type", media_type);
        send(request.body(body.into())).await
    }

    pub(crate) async fn post_json(&self, path: &str, body: &str) -> Answer {
        self.post(path, "application/json", body).await
    }

    /// Bytes as they are, the answer until the server closes or has been silent for three seconds.
    pub(crate) fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let silence = Duration::from_secs(3);
        stream.set_read_timeout(Some(silence)).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }

    /// As `raw`, for a connection that the server must close; it has half a minute.
    pub(crate) fn raw_until_closed(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let deadline = Duration::from_secs(30);
        stream.set_read_timeout(Some(deadline)).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        let closed = stream.read_to_end(&mut answer);
        assert!(closed.is_ok(), "the connection stayed open");
        String::from_utf8(answer).unwrap()
    }

    pub(crate) fn token(&self, principal: &UserPrincipal) -> String {
        self.state
            .access_tokens
            .issue(principal, Utc::now())
            .unwrap()
    }

    pub(crate) fn expired_token(&self, principal: &UserPrincipal) -> String {
        let then = Utc::now() - chrono::TimeDelta::days(1);
        self.state.access_tokens.issue(principal, then).unwrap()
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {:?}", self.body))
    }

    /// The body, once what every problem document promises has been checked.
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        let body = self.json();
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(self.status, status);
        assert_eq!(body["status"], status);
        assert_eq!(body["type"], format!("/docs/errors/{code}"));
        assert!(body["title"].is_string() && body["detail"].is_string());
        assert_eq!(body["request_id"], self.header("x-request-id").unwrap());
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(self.header("cache-control"), Some("no-store"));
        body
    }

    /// The only refused value, as pointer, code and detail.
    pub(crate) fn refused(&self) -> (String, String, String) {
        let problem = self.problem(422, "validation_failed");
        let errors = problem["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{problem}");
        let text = |name: &str| errors[0][name].as_str().unwrap().to_owned();
        (text("pointer"), text("code"), text("detail"))
    }
}

pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.text().await.unwrap(),
    }
}

pub(crate) fn principal(tenant: Option<TenantClaim>) -> UserPrincipal {
    UserPrincipal {
        account: AccountId::generate(),
        session: SessionId::generate(),
        tenant,
    }
}

pub(crate) fn member(role: Role) -> UserPrincipal {
    principal(Some(TenantClaim {
        id: TenantId::generate(),
        slug: "acme".to_owned(),
        role,
        role_version: 1,
        custom_role: None,
    }))
}

pub(crate) fn state(settings: ServerSettings) -> AppState {
    let access_tokens = AccessTokens::new(AccessTokenSettings {
        keys: vec![SigningKey {
            kid: "1".to_owned(),
            secret: SECRET.into(),
        }],
        ..AccessTokenSettings::default()
    });
    AppState {
        access_tokens: access_tokens.unwrap(),
        cursor_key: CursorKey::derive(SECRET.as_bytes()),
        cors: CorsSettings {
            allowed_origins: vec![ORIGIN.parse().unwrap()],
            ..CorsSettings::default()
        },
        settings,
        rate_limits: RateLimits::off(),
    }
}

async fn panics() -> &'static str {
    panic!("on purpose");
}

async fn hangs() -> &'static str {
    std::future::pending().await
}

fn test_routes(config: &mut ServiceConfig) {
    routes::register(config);
    config
        .service(at("/bodies").post(echo_body).patch(echo_patch))
        .service(at("/bodies/small").post(echo_body).body_limit(64))
        .service(at("/panics").get(panics))
        .service(at("/hangs").get(hangs).post(hangs))
        .service(at("/queries").get(echo_query))
        .service(at("/things/{id}").get(thing).delete(delete_thing))
        .service(at("/numbers").get(numbers))
        .service(at("/caller").get(caller))
        .service(at("/reader").get(reader))
        .service(at("/owner").post(owner))
        .service(at("/failures/{kind}").get(failure))
        .service(web::resource("/refused").wrap(from_fn(refuse)).to(failure));
}

/// A middleware as it should not be: an `Err`.
async fn refuse(_: ServiceRequest, _: Next<BoxBody>) -> Result<ServiceResponse, actix_web::Error> {
    Err(ApiError::NotAMember.into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Echo {
    email: String,
    name: String,
    count: Option<u32>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(rename = "a/b~c")]
    odd: Option<bool>,
    inner: Option<Inner>,
    data: Option<Value>,
    role: Option<Role>,
    project_id: Option<ProjectId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    name: String,
}

struct Parsed {
    email: Email,
    name: ProjectName,
}

impl TryFrom<&Echo> for Parsed {
    type Error = ApiError;

    fn try_from(body: &Echo) -> Result<Self, ApiError> {
        let mut v = Validation::new();
        let email = v.parse("/email", Email::parse(&body.email));
        let name = v.parse("/name", ProjectName::parse(&body.name));
        v.finish(|| {
            Some(Self {
                email: email?,
                name: name?,
            })
        })
    }
}

async fn echo_body(Body(body): Body<Echo>) -> Result<Json<Value>, ApiError> {
    let Parsed { email, name } = (&body).try_into()?;
    Ok(Json(json!({
        "email": email, "name": name, "count": body.count, "tags": body.tags, "odd": body.odd,
        "inner": body.inner.map(|inner| inner.name), "data": body.data, "role": body.role,
        "project_id": body.project_id,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EchoPatch {
    #[serde(default)]
    name: Patchable<String>,
    #[serde(default)]
    description: Patchable<String>,
}

async fn echo_patch(Patch(body): Patch<EchoPatch>) -> Result<Json<Value>, ApiError> {
    let parse = |text: String| ProjectName::parse(&text);
    let mut v = Validation::new();
    let name = v.change("/name", body.name, parse);
    let description = v.nullable_change("/description", body.description, parse);
    let changes = v.finish(|| {
        Some(json!({
            "name": name?.map_or(json!("unchanged"), |name| json!(name)),
            "description": description?.map_or(json!("unchanged"), |text| json!(text)),
        }))
    });
    changes.map(Json)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    status: Option<Role>,
    count: Option<u8>,
    deleted: Option<bool>,
    q: Option<String>,
}

async fn echo_query(QueryParams(query): QueryParams<Query>) -> Json<Value> {
    Json(json!({
        "status": query.status, "count": query.count, "deleted": query.deleted, "q": query.q,
    }))
}

async fn thing(PathId(id): PathId<ProjectId>) -> Result<Versioned<Value>, ApiError> {
    if id.to_string() != THING {
        return Err(ApiError::NotFound);
    }
    Ok(Versioned::ok(
        ETag::new(id, THING_VERSION),
        json!({"id": id}),
    ))
}

async fn delete_thing(
    PathId(id): PathId<ProjectId>,
    if_match: IfMatch,
) -> Result<actix_web::HttpResponse, ApiError> {
    if_match.check(|| Ok(ETag::new(id, THING_VERSION)))?;
    Ok(actix_web::HttpResponse::NoContent().finish())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NumberFilters {
    min: Option<u32>,
    even: Option<bool>,
}

async fn numbers(
    caller: Authorized<require::ProjectsRead>,
    query: ListQuery<NumberFilters>,
) -> Result<List<Value>, ApiError> {
    let page = query.page::<u32>(caller.tenant().id)?;
    let after = page.after().copied().unwrap_or(0);
    let even_only = query.filters.even.unwrap_or(false);
    let rows = (after + 1..=NUMBERS)
        .filter(|n| *n >= query.filters.min.unwrap_or(1) && (!even_only || n % 2 == 0))
        .take(page.rows_to_read().try_into().unwrap())
        .collect();
    page.answer(rows, |row| *row, |row| json!({"number": row}))
}

async fn caller(caller: Authenticated) -> Json<Value> {
    Json(json!({
        "account": caller.principal().account,
        "tenant": caller.principal().tenant.as_ref().map(|tenant| tenant.id),
        "request_id": caller.request_id().as_str(),
        "address": caller.address(),
    }))
}

async fn reader(caller: Authorized<require::ProjectsRead>) -> Json<Value> {
    Json(json!({"tenant": caller.tenant().id, "slug": caller.tenant().slug}))
}

/// The body is looked at only after the caller.
async fn owner(_: Authorized<require::TenantDelete>, Body(_): Body<Echo>) -> Json<Value> {
    Json(json!({}))
}

async fn failure(
    request: actix_web::HttpRequest,
    _: RequestId,
) -> Result<actix_web::HttpResponse, actix_web::Error> {
    let cause = || std::io::Error::other("the disk said: password=hunter2");
    Err(match request.match_info().query("kind") {
        "internal" => ApiError::internal(cause()).into(),
        "busy" => ApiError::Busy {
            retry_after_seconds: 7,
        }
        .into(),
        "database" => ApiError::DatabaseUnavailable(cause().into()).into(),
        "credentials" => ApiError::InvalidCredentials.into(),
        "second-factor" => ApiError::MfaRequired.into(),
        "step-up" => ApiError::StepUpRequired {
            max_age_seconds: 900,
        }
        .into(),
        "attempts" => ApiError::TooManyAttempts {
            retry_after_seconds: 61,
        }
        .into(),
        "reused" => ApiError::RefreshReused {
            account: domain::AccountId::generate(),
            tenant: None,
        }
        .into(),
        "taken" => ApiError::EmailTaken.into(),
        "taken-by-another" => ApiError::EmailTakenByAnother.into(),
        "forbidden" => ApiError::Forbidden.into(),
        "suspended" => ApiError::TenantSuspended.into(),
        "no-member" => ApiError::NotAMember.into(),
        "closed" => ApiError::SignupClosed.into(),
        "violation" => {
            ApiError::from(tenant_db::Error::Violation(tenant_db::diesel::NotFound)).into()
        }
        "seal" => ApiError::from(tenant_db::Error::SealRefused(tenant_db::diesel::NotFound)).into(),
        "session" => ApiError::SessionRevoked.into(),
        "stale" => ApiError::TokenStale.into(),
        "foreign-400" => actix_web::error::ErrorBadRequest("of actix"),
        "foreign-500" => actix_web::error::ErrorInternalServerError("of actix"),
        _ => ApiError::NotFound.into(),
    })
}

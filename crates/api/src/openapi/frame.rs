//! What handlers do not say of themselves, because it happens around all of them: the problems of a
//! missing token or a broken body, the headers of every answer, where an id leads.

use std::collections::BTreeMap;

use utoipa::Modify;
use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::path::{Operation, Paths};
use utoipa::openapi::{OpenApi, PathItem, Ref, RefOr};

use super::problems::{add_problem, codes_of};
use super::shared::{
    CONDITIONS, IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED, RATE_LIMITS, REQUEST_ID, TENANT_HEADERS,
    headers, parameters,
};
use crate::error_code::ErrorCode::{self, *};
use crate::{aliases, routes};

/// Of every operation, whatever it does.
const ANYWHERE: &[ErrorCode] = &[UriTooLong, ValidationFailed, HeadersTooLarge];
/// Of every one that is not about health.
const BEYOND_HEALTH: &[ErrorCode] = &[UnknownHost, HttpsRequired, RateLimited];
/// Of every operation of the API.
const ALWAYS: &[ErrorCode] = &[
    Internal,
    Busy,
    DeadlineExceeded,
    RateLimitsUnavailable,
    DatabaseUnavailable,
];
/// Of one with a body.
const BODY: &[ErrorCode] = &[
    MalformedRequest,
    MalformedBody,
    MalformedJson,
    RequestTimeout,
    PayloadTooLarge,
    UnsupportedMediaType,
    ValidationFailed,
];
/// Of a `POST` that is done once for each key.
const ONCE: &[ErrorCode] = &[
    InvalidIdempotencyKey,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
];
/// Of one that wants to know who calls.
const CALLER: &[ErrorCode] = &[MissingToken, InvalidToken, SessionRevoked];
/// Of one that heeds which tenant the request selects.
const SELECTION: &[ErrorCode] = &[TokenStale, TenantAmbiguous, TenantMismatch];
/// Of one that happens in a tenant.
const TENANT: &[ErrorCode] = &[
    Forbidden,
    NoTenant,
    TenantSuspended,
    TenantDeleting,
    NotAMember,
];
/// Of one about an account or a session, which an API key has not.
const ACCOUNT: &[ErrorCode] = &[KeyNotAllowed];

/// Paths whose operations concern the caller's account, in whatever tenant its session stands.
const OF_ACCOUNTS: &[&str] = &["/api/v1/auth/", "/api/v1/users/me", "/api/v1/tenants"];
/// The one that names the tenant itself.
const SWITCH: &str = "/api/v1/auth/switch";

/// Completes every operation.
pub(super) struct Frame;

impl Modify for Frame {
    fn modify(&self, document: &mut OpenApi) {
        let links = links(&mut document.paths);
        for (path, item) in &mut document.paths.paths {
            // An alias with a description of its own is of its successor's kind.
            let meant = aliases::successor_of(path).unwrap_or(path);
            for (method, operation) in operations(item) {
                add_codes(operation, ANYWHERE);
                if !meant.starts_with("/health") {
                    add_codes(operation, BEYOND_HEALTH);
                }
                if meant.starts_with("/api/") {
                    add_problems(meant, method, operation);
                    if routes::counts(meant) {
                        add_codes(operation, &[PlanLimitExceeded]);
                    }
                    add_parameters(meant, operation);
                }
                add_headers(operation);
                if !meant.starts_with("/health") {
                    add_rate_limits(operation);
                }
                share_parameters(operation);
                if method == "post"
                    && let Some(links) = links.get(path)
                {
                    add_links(operation, links);
                }
            }
        }
        if let Some(components) = &mut document.components {
            for (name, header) in headers() {
                components.headers.insert(name.to_owned(), header.into());
            }
            for parameter in parameters() {
                let name = parameter.name.clone();
                components.parameters.insert(name, parameter.into());
            }
        }
    }
}

/// Those that this API has, by method.
pub(super) fn operations(
    item: &mut PathItem,
) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let PathItem {
        get,
        post,
        patch,
        delete,
        ..
    } = item;
    [
        ("get", get),
        ("post", post),
        ("patch", patch),
        ("delete", delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Whether nobody calls it without credentials.
fn is_for_callers(operation: &Operation) -> bool {
    let schemes = operation.security.as_deref().unwrap_or_default();
    !schemes.is_empty()
        && !schemes.contains(&utoipa::openapi::security::SecurityRequirement::default())
}

fn is_in_tenant(path: &str) -> bool {
    !OF_ACCOUNTS.iter().any(|prefix| path.starts_with(prefix))
}

fn has_header(operation: &Operation, names: &[&str]) -> bool {
    let parameters = operation.parameters.iter().flatten();
    parameters
        .filter_map(|parameter| match parameter {
            RefOr::T(parameter) => Some(parameter.name.as_str()),
            RefOr::Ref(_) => None,
        })
        .any(|name| names.contains(&name))
}

fn add_problems(path: &str, method: &str, operation: &mut Operation) {
    let mut codes = ALWAYS.to_vec();
    if operation.request_body.is_some() {
        codes.extend(BODY);
    }
    if is_for_callers(operation) {
        codes.extend(CALLER);
        if path != SWITCH {
            codes.extend(SELECTION);
        }
        codes.extend(if is_in_tenant(path) { TENANT } else { ACCOUNT });
    }
    if has_header(operation, &[IDEMPOTENCY_KEY]) {
        codes.extend(ONCE);
    } else if method == "post" {
        codes.push(IdempotencyKeyNotAllowed);
    }
    if path.contains('{') {
        codes.push(NotFound);
    }
    if has_header(operation, &CONDITIONS) {
        codes.extend([MalformedCondition, PreconditionFailed]);
    }
    add_codes(operation, &codes);
}

fn add_codes(operation: &mut Operation, codes: &[ErrorCode]) {
    for code in codes {
        add_problem(&mut operation.responses, *code);
    }
}

fn add_parameters(path: &str, operation: &mut Operation) {
    let mut names = vec![REQUEST_ID];
    if is_for_callers(operation) && path != SWITCH {
        names.extend(TENANT_HEADERS);
    }
    let references = names
        .into_iter()
        .map(|name| RefOr::Ref(Ref::new(format!("#/components/parameters/{name}"))));
    operation
        .parameters
        .get_or_insert_default()
        .extend(references);
}

/// In the place of what a handler says it reads, what is said of it once.
fn share_parameters(operation: &mut Operation) {
    let shared = [IDEMPOTENCY_KEY, CONDITIONS[0], CONDITIONS[1]];
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(read) = parameter
            && shared.contains(&read.name.as_str())
        {
            let name = &read.name;
            *parameter = RefOr::Ref(Ref::new(format!("#/components/parameters/{name}")));
        }
    }
}

fn add_headers(operation: &mut Operation) {
    let is_done_once = has_header(operation, &[IDEMPOTENCY_KEY]);
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else {
            continue;
        };
        let mut names = vec![REQUEST_ID, "Cache-Control"];
        match status.as_str() {
            "401" => names.push("WWW-Authenticate"),
            "200" | "201" if is_done_once => names.push(IDEMPOTENCY_REPLAYED),
            "429" | "503" if !codes_of(response).is_empty() => names.push("Retry-After"),
            _ => {}
        }
        for name in names {
            let reference = Ref::new(format!("#/components/headers/{name}"));
            response
                .headers
                .insert(name.to_owned(), RefOr::Ref(reference));
        }
        for name in ["ETag", "Location", "Link"] {
            if response.headers.contains_key(name) {
                let reference = Ref::new(format!("#/components/headers/{name}"));
                response
                    .headers
                    .insert(name.to_owned(), RefOr::Ref(reference));
            }
        }
    }
}

/// What says how many requests are left, where it went well and where there were too many.
fn add_rate_limits(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && (status.starts_with('2') || status == "429")
        {
            for name in RATE_LIMITS {
                let reference = Ref::new(format!("#/components/headers/{name}"));
                response
                    .headers
                    .insert(name.to_owned(), RefOr::Ref(reference));
            }
        }
    }
}

/// Where the id of what was made leads: by path of the `POST`, the operations on it.
fn links(paths: &mut Paths) -> BTreeMap<String, Vec<String>> {
    let mut links: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (path, item) in &mut paths.paths {
        // Of one thing, and of what it has.
        let Some((list, rest)) = path.split_once("/{id}") else {
            continue;
        };
        if !rest.contains('{') {
            let ids = operations(item).filter_map(|(_, operation)| operation.operation_id.clone());
            links.entry(list.to_owned()).or_default().extend(ids);
        }
    }
    links
}

fn add_links(operation: &mut Operation, links: &[String]) {
    if let Some(RefOr::T(made)) = operation.responses.responses.get_mut("201") {
        for id in links {
            let link = LinkBuilder::new()
                .operation_id(id)
                .parameter("id", "$response.body#/id");
            made.links.insert(id.clone(), link.build().into());
        }
    }
}

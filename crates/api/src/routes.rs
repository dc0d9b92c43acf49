//! The whole API in one table: path, method, handler, and what is special about a route. A request
//! costs one token of its tenant's and its caller's buckets, or as many as stand beside the route.

use actix_web::{
    FromRequest, Handler, HttpResponse, Resource, Responder, Route,
    dev::{AppService, HttpServiceFactory},
    guard,
    http::Method,
    middleware::from_fn,
    web::{self, ServiceConfig},
};

use crate::{
    aliases::{self, Successor},
    api_calls, deadline,
    endpoints::{
        account, api_keys, audit_events, audit_export, auth, denials, docs, health, history,
        invitation_acceptance, invitations, jwks, mfa, my_tenants, password, projects, reads,
        resource_versions, resources, roles, session, sessions, step_up, tenant, tenant_end,
        tenant_usage, tenants, users, verification,
    },
    error::ApiError,
    extract::{BodyLimit, Strict},
    idempotency, presented_key,
    rate_limits::{self, Toll},
    sensitive::Sensitive,
};

/// Tokens of what sends a mail, computes a hash, or answers thousands of rows.
const DEAR: u32 = 5;

/// Every path with its methods and handlers; those of another system are `aliases.rs`.
fn table() -> Vec<Endpoint> {
    vec![
        at("/health").get(health::health),
        at("/health/live").get(health::live),
        at("/health/ready").get(health::ready),
        at("/.well-known/jwks.json").get(jwks::find),
        at("/openapi.json").get(docs::document),
        at("/docs").get(docs::redirect),
        at("/docs/errors/{code}").get(docs::error),
        at("/docs/{file:.*}").get(docs::page),
        at("/api/v1/auth/register").post(auth::register),
        at("/api/v1/auth/login").post(auth::login),
        at("/api/v1/auth/refresh").post(session::refresh),
        at("/api/v1/auth/switch").post(session::switch),
        at("/api/v1/auth/logout").post(session::logout),
        at("/api/v1/auth/verify-email").post(verification::verify),
        at("/api/v1/auth/verify-email/resend").post(verification::resend),
        at("/api/v1/auth/password/forgot").post(password::forgot),
        at("/api/v1/auth/password/reset").post(password::reset),
        at("/api/v1/auth/password/change")
            .post(password::change)
            .costs(DEAR),
        at("/api/v1/auth/step-up").post(step_up::step_up),
        at("/api/v1/auth/mfa/totp")
            .post(mfa::begin)
            .delete(mfa::remove),
        at("/api/v1/auth/mfa/totp/confirm").post(mfa::confirm),
        at("/api/v1/users/me")
            .get(account::me)
            .patch(account::update)
            .delete(account::delete),
        at("/api/v1/users/me/tenants").get(my_tenants::list),
        at("/api/v1/users/me/sessions").get(sessions::list),
        at("/api/v1/users/me/sessions/{id}").delete(sessions::delete),
        at("/api/v1/users")
            .sensitive()
            .get(users::list)
            .post_once(users::create)
            .costs(DEAR),
        at("/api/v1/users/{id}")
            .sensitive()
            .get(users::find)
            .patch(users::update)
            .delete(users::delete),
        at("/api/v1/users/{id}/history")
            .sensitive()
            .get(history::of_user),
        at("/api/v1/invitations")
            .sensitive()
            .get(invitations::list)
            .post_once(invitations::create)
            .costs(DEAR),
        at("/api/v1/invitations/accept").post(invitation_acceptance::accept),
        at("/api/v1/invitations/{id}")
            .sensitive()
            .get(invitations::find)
            .delete(invitations::delete),
        at("/api/v1/invitations/{id}/resend")
            .post_once(invitations::resend)
            .costs(DEAR),
        at("/api/v1/tenants").post(tenants::create),
        at("/api/v1/roles")
            .get(roles::list)
            .post_once(roles::create),
        at("/api/v1/roles/{id}")
            .get(roles::find)
            .patch(roles::update)
            .delete(roles::delete),
        at("/api/v1/api-keys")
            .sensitive()
            .get(api_keys::list)
            .post(api_keys::create),
        at("/api/v1/api-keys/{id}")
            .sensitive()
            .get(api_keys::find)
            .delete(api_keys::delete),
        at("/api/v1/tenant")
            .get(tenant::find)
            .patch(tenant::update)
            .delete(tenant_end::delete),
        at("/api/v1/tenant/usage").get(tenant_usage::usage),
        at("/api/v1/tenant/features").get(tenant_usage::features),
        at("/api/v1/tenant/restore").post(tenant_end::restore),
        at("/api/v1/tenant/transfer-ownership").post_once(tenant::transfer),
        at("/api/v1/projects")
            .get(projects::list)
            .post_once(projects::create),
        at("/api/v1/projects/{id}")
            .get(projects::find)
            .patch(projects::update)
            .delete(projects::delete),
        at("/api/v1/projects/{id}/restore").post_once(projects::restore),
        at("/api/v1/projects/{id}/history").get(history::of_project),
        at("/api/v1/resources")
            .get(resources::list)
            .post_once(resources::create),
        at("/api/v1/resources/{id}")
            .get(resources::find)
            .patch(resources::update)
            .delete(resources::delete),
        at("/api/v1/resources/{id}/history").get(history::of_resource),
        at("/api/v1/resources/{id}/versions").get(resource_versions::list),
        at("/api/v1/resources/{id}/versions/{n}").get(resource_versions::find),
        at("/api/v1/resources/{id}/versions/{n}/restore").post_once(resource_versions::restore),
        at("/api/v1/audit/events")
            .sensitive()
            .get(audit_events::list),
        at("/api/v1/audit/events/export")
            .sensitive()
            .get(audit_export::export)
            .costs(DEAR),
        at("/api/v1/audit/denials").sensitive().get(denials::list),
        at("/api/v1/audit/reads").sensitive().get(reads::list),
    ]
}

/// What is not done in a tenant although the caller's token may name one, and what says how much is
/// used up.
const UNCOUNTED: [&str; 6] = [
    "/api/v1/auth/",
    "/api/v1/users/me",
    "/api/v1/invitations/accept",
    "/api/v1/tenants",
    "/api/v1/tenant/restore",
    "/api/v1/tenant/usage",
];

/// Whether requests for this path count as calls of the caller's tenant.
pub(crate) fn counts(path: &str) -> bool {
    path.starts_with("/api/") && !UNCOUNTED.iter().any(|prefix| path.starts_with(prefix))
}

/// Adds every route.
pub fn register(config: &mut ServiceConfig) {
    let table = table();
    let aliases: Vec<Endpoint> = aliases::table()
        .into_iter()
        .map(|alias| alias.like(&table))
        .collect();
    for endpoint in table.into_iter().chain(aliases) {
        config.service(endpoint);
    }
}

/// Every path with its methods, for tests that ask whether something was forgotten. `HEAD` is not
/// said: it comes with `GET`.
#[must_use]
pub fn list() -> Vec<(&'static str, Vec<Method>)> {
    let methods = |endpoint: Endpoint| (endpoint.path, endpoint.methods().cloned().collect());
    let all = table().into_iter().chain(aliases::table());
    all.map(methods).collect()
}

/// The handlers of one path, by method. Any other method is 405 with `Allow`.
pub fn at(path: &'static str) -> Endpoint {
    Endpoint {
        path,
        resource: web::resource(path),
        allowed: Vec::new(),
        last: Vec::new(),
        costs: Vec::new(),
        is_sensitive: false,
        successor: None,
    }
}

/// One path; see [`at`].
#[must_use]
pub struct Endpoint {
    path: &'static str,
    resource: Resource,
    allowed: Vec<Method>,
    /// Those that were added last.
    last: Vec<Method>,
    costs: Vec<(Method, u32)>,
    is_sensitive: bool,
    successor: Option<Successor>,
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident => [$($method:ident),+];)+) => {
        $(
            $(#[$doc])*
            pub fn $name<F, Args>(self, handler: F) -> Self
            where
                F: Handler<Args>,
                Args: FromRequest + 'static,
                F::Output: Responder + 'static,
            {
                self.route(&[$(Method::$method),+], web::to(Strict(handler)))
            }
        )+
    };
}

impl Endpoint {
    /// Creates, or does; each time it is asked to, and so refuses an `Idempotency-Key`.
    pub fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let route = web::to(Strict(handler)).wrap(from_fn(idempotency::refuse));
        self.route(&[Method::POST], route)
    }

    methods! {
        /// Reads. `HEAD` is answered by the same handler (RFC 9110, 9.3.2); actix drops the body.
        get => [GET, HEAD];
        /// Creates, or does; once for each `Idempotency-Key`: the handler takes `Once`, or
        /// `OnceBody`.
        post_once => [POST];
        /// Changes.
        patch => [PATCH];
        /// Removes.
        delete => [DELETE];
    }

    /// Who reads here is recorded: it tells of people, of secrets, or of who may do what.
    pub(crate) fn sensitive(mut self) -> Self {
        self.is_sensitive = true;
        self
    }

    /// The most bytes that a body may have here, instead of `server.max_body_bytes`.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.resource = self.resource.app_data(BodyLimit(bytes));
        self
    }

    /// How many tokens a request of the methods before takes, instead of one.
    pub fn costs(mut self, tokens: u32) -> Self {
        let last = self.last.iter().cloned();
        self.costs.extend(last.map(|method| (method, tokens)));
        self
    }

    /// The path is an alias of this one, and every answer says so.
    pub(crate) fn succeeded_by(mut self, successor: Successor) -> Self {
        self.resource = self.resource.app_data(successor);
        self.successor = Some(successor);
        self
    }

    /// What is special about the path that an alias stands for is so of the alias.
    fn like(mut self, table: &[Self]) -> Self {
        let meant = self.successor.map(Successor::path);
        if let Some(meant) = table.iter().find(|endpoint| Some(endpoint.path) == meant) {
            self.costs = meant.costs.clone();
            self.is_sensitive = meant.is_sensitive;
        }
        self
    }

    pub(crate) fn path(&self) -> &'static str {
        self.path
    }

    pub(crate) fn methods(&self) -> impl Iterator<Item = &Method> {
        let is_said = |method: &&Method| **method != Method::HEAD;
        self.allowed.iter().filter(is_said)
    }

    pub(crate) fn successor(&self) -> Option<Successor> {
        self.successor
    }

    fn route(mut self, methods: &[Method], route: Route) -> Self {
        let served = methods.to_vec();
        let guard = guard::fn_guard(move |context| served.contains(&context.head().method));
        self.resource = self.resource.route(route.guard(guard));
        self.allowed.extend_from_slice(methods);
        self.last = methods.to_vec();
        self
    }
}

impl HttpServiceFactory for Endpoint {
    fn register(self, config: &mut AppService) {
        let allowed: Vec<&str> = self.allowed.iter().map(Method::as_str).collect();
        let allow = allowed.join(", ");
        let refuse = move || {
            let allow = allow.clone();
            async move { Err::<HttpResponse, _>(ApiError::MethodNotAllowed { allow }) }
        };
        let meant = self.successor.map_or(self.path, Successor::path);
        let is_counted = counts(meant);
        let count = move |request, next| api_calls::count(request, next, is_counted);
        let resource = if self.is_sensitive {
            self.resource.app_data(Sensitive)
        } else {
            self.resource
        };
        resource
            .app_data(Toll::new(meant, self.costs))
            .default_service(web::to(refuse))
            .wrap(from_fn(count))
            .wrap(from_fn(presented_key::look_up))
            .wrap(from_fn(rate_limits::charge))
            .wrap(from_fn(deadline::limit))
            .register(config);
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_what_it_stands_for() {
        let table = table();
        let mut sensitive = 0;
        for alias in aliases::table() {
            let meant = alias.successor().unwrap().path();
            let meant = table.iter().find(|endpoint| endpoint.path == meant);
            let (meant, alias) = (meant.unwrap(), alias.like(&table));
            assert_eq!(alias.is_sensitive, meant.is_sensitive, "{}", alias.path);
            assert_eq!(alias.costs, meant.costs, "{}", alias.path);
            sensitive += u32::from(alias.is_sensitive);
        }
        assert!(sensitive > 0);
    }
}

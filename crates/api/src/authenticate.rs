//! Who is asking, and may they: the first parameter of nearly every handler. What a header may say
//! about the tenant is `tenant_selection.rs`; that session, role and membership still hold is asked
//! of the database by every transaction.

use actix_web::{
    FromRequest, HttpMessage as _, HttpRequest, dev::Payload, http::header::AUTHORIZATION,
    web::Data,
};
use auth::{Principal, TenantClaim, role_permits};
use chrono::Utc;
use std::{
    future::{Ready, ready},
    marker::PhantomData,
    net::IpAddr,
    sync::Arc,
};

use crate::{
    client_address::client_address, error::ApiError, request_id::RequestId, require::Require,
    state::AppState, tenant_selection,
};

/// Whoever holds a valid access token, in a tenant or in none. Cloning is cheap.
///
/// # Errors
/// 401 `missing_token` or `invalid_token`; 400 `tenant_ambiguous` or 403 `tenant_mismatch` if a
/// header or the host name selects another tenant than the token names.
#[derive(Clone, Debug)]
pub struct Authenticated(Arc<Caller>);

/// Whoever holds a valid access token, whatever tenant a header or the host name selects: for what
/// is done to the session itself, which may stand in any tenant or in none. Whoever is served at
/// `acme.rowhouse.example` and has a token of another tenant must still be able to switch, and to
/// log out. Everything else takes [`Authenticated`].
///
/// # Errors
/// 401 `missing_token` or `invalid_token`.
#[derive(Clone, Debug)]
pub struct Bearer(Caller);

/// Whoever holds a valid access token of a tenant, in a role that has the permission `P`.
///
/// # Errors
/// Those of [`Authenticated`]; 403 `no_tenant` if the token names none, 403 `forbidden` if the role
/// lacks the permission.
#[derive(Clone, Debug)]
pub struct Authorized<P> {
    caller: Authenticated,
    tenant: TenantClaim,
    permission: PhantomData<P>,
}

#[derive(Clone, Debug)]
struct Caller {
    principal: Principal,
    request_id: RequestId,
    address: IpAddr,
}

impl Authenticated {
    /// Verifies the request's access token; CPU only. The first call decides for the request.
    ///
    /// # Errors
    /// As said of the type.
    pub fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        if let Some(caller) = request.extensions().get::<Self>() {
            return Ok(caller.clone());
        }
        let state = state(request)?;
        let caller = Caller::of(request, state)?;
        let base_domain = state.settings.base_domain.as_deref();
        tenant_selection::check(request, base_domain, caller.principal.tenant.as_ref())?;
        let caller = Self(Arc::new(caller));
        request.extensions_mut().insert(caller.clone());
        Ok(caller)
    }

    /// What the token says.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    /// The request's id.
    #[must_use]
    pub fn request_id(&self) -> &RequestId {
        &self.0.request_id
    }

    /// Where the request comes from.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.0.address
    }
}

impl Caller {
    fn of(request: &HttpRequest, state: &AppState) -> Result<Self, ApiError> {
        let principal = state
            .access_tokens
            .verify(bearer_token(request)?, Utc::now())
            .map_err(|_| ApiError::InvalidToken)?;
        Ok(Self {
            principal,
            request_id: RequestId::of(request),
            address: client_address(request, &state.settings.trusted_proxies),
        })
    }
}

impl Bearer {
    /// What the token says.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    /// Where the request comes from.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.0.address
    }
}

impl<P> Authorized<P> {
    /// What the token says.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        self.caller.principal()
    }

    /// The tenant that the token names.
    #[must_use]
    pub fn tenant(&self) -> &TenantClaim {
        &self.tenant
    }

    /// What every transaction on behalf of this caller begins with.
    #[must_use]
    pub fn context(&self) -> tenant_db::Context {
        store::context(self.principal(), &self.tenant)
            .with_request_id(self.request_id().as_str())
            .with_address(Some(self.address()))
    }

    /// The request's id.
    #[must_use]
    pub fn request_id(&self) -> &RequestId {
        self.caller.request_id()
    }

    /// Where the request comes from.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.caller.address()
    }
}

impl<P: Require> Authorized<P> {
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let caller = Authenticated::of(request)?;
        let tenant = caller.principal().tenant.clone();
        let tenant = tenant.ok_or(ApiError::NoTenant)?;
        if !role_permits(tenant.role, P::PERMISSION) {
            return Err(ApiError::Forbidden);
        }
        Ok(Self {
            caller,
            tenant,
            permission: PhantomData,
        })
    }
}

fn state(request: &HttpRequest) -> Result<&Data<AppState>, ApiError> {
    request
        .app_data::<Data<AppState>>()
        .ok_or_else(|| ApiError::internal("the app has no AppState"))
}

impl FromRequest for Bearer {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = state(request).and_then(|state| Caller::of(request, state));
        ready(caller.map(Self))
    }
}

impl FromRequest for Authenticated {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

impl<P: Require + 'static> FromRequest for Authorized<P> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

/// RFC 6750, 2.1. The scheme in any case (RFC 9110, 11.1); two headers are one too many; another
/// scheme than `Bearer` is as good as none.
fn bearer_token(request: &HttpRequest) -> Result<&str, ApiError> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let header = headers.next().ok_or(ApiError::MissingToken)?;
    if headers.next().is_some() {
        return Err(ApiError::InvalidToken);
    }
    let header = header.to_str().map_err(|_| ApiError::InvalidToken)?;
    let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(token.trim_start())
    } else {
        Err(ApiError::MissingToken)
    }
}

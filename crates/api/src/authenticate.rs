//! Who is asking, and may they: the first parameter of nearly every handler. What a header may say
//! about the tenant is `tenant_selection.rs`, how an API key is looked up `presented_key.rs`; that
//! session, role and membership still hold is asked of the database by every transaction.

use actix_web::{
    FromRequest, HttpMessage as _, HttpRequest, dev::Payload, http::header::AUTHORIZATION,
};
use auth::{KeySecret, PermissionSet, Principal, TenantClaim, UserPrincipal};
use chrono::Utc;
use domain::TenantId;
use std::{
    future::{Ready, ready},
    marker::PhantomData,
    net::IpAddr,
    sync::Arc,
};

use crate::{
    client_address::client_address, denial::Bearing, error::ApiError, presented_key::PresentedKey,
    request_id::RequestId, require::Require, state::AppState, tenant_selection,
};

/// Whoever holds a valid access token, in a tenant or in none: a person, for what is done to the
/// person's own account.
///
/// # Errors
/// 401 `missing_token` or `invalid_token`; 400 `tenant_ambiguous` or 403 `tenant_mismatch` if a
/// header or the host name selects another tenant than the token names; 403 `key_not_allowed` for
/// an API key.
#[derive(Clone, Debug)]
pub struct Authenticated {
    user: UserPrincipal,
    caller: Arc<Caller>,
}

/// Whoever holds a valid access token, whatever tenant a header or the host name selects: for what
/// is done to the session itself, which may stand in any tenant or in none. Whoever is served at
/// `acme.rowhouse.example` and has a token of another tenant must still be able to switch, and to
/// log out. Everything else takes [`Authenticated`].
///
/// # Errors
/// 401 `missing_token` or `invalid_token`; 403 `key_not_allowed` for an API key.
#[derive(Clone, Debug)]
pub struct Bearer {
    user: UserPrincipal,
    address: IpAddr,
}

/// Whoever holds a valid access token of a tenant, or an API key, with the permission `P`.
///
/// # Errors
/// 401 and 400 as [`Authenticated`], 403 `tenant_mismatch`; 403 `no_tenant` if the token names
/// none, 403 `forbidden` without the permission.
#[derive(Clone, Debug)]
pub struct Authorized<P> {
    caller: Arc<Caller>,
    tenant: TenantClaim,
    permission: PhantomData<P>,
}

/// Whoever asks, verified.
#[derive(Debug)]
struct Caller {
    principal: Principal,
    request_id: RequestId,
    address: IpAddr,
}

/// The caller of a request, whose tenant is the one that the request selects.
#[derive(Clone)]
struct Known(Arc<Caller>);

/// What the request's access token says, if it is good; verified once.
#[derive(Clone)]
struct Verified(Option<UserPrincipal>);

/// Verifies the access token of a request.
pub(crate) fn verified(
    request: &HttpRequest,
    state: &AppState,
    token: &str,
) -> Option<UserPrincipal> {
    let known = request.extensions().get::<Verified>().cloned();
    let Verified(user) = known.unwrap_or_else(|| {
        let verified = Verified(state.access_tokens.verify(token, Utc::now()).ok());
        request.extensions_mut().insert(verified.clone());
        verified
    });
    user
}

/// The tenant that a request was made in, once its caller is known.
pub(crate) fn tenant_of(request: &HttpRequest) -> Option<TenantId> {
    let extensions = request.extensions();
    let Known(caller) = extensions.get()?;
    Some(caller.principal.tenant()?.id)
}

/// The tenant that a request is made in; `None` also for a caller who will be refused.
pub(crate) fn verified_tenant(request: &HttpRequest) -> Option<TenantId> {
    let caller = Known::of(request).ok()?;
    Some(caller.principal.tenant()?.id)
}

impl Known {
    /// Verifies the request's access token, CPU only, or takes the key that was looked up. The
    /// first call decides for the request.
    fn of(request: &HttpRequest) -> Result<Arc<Caller>, ApiError> {
        if let Some(Self(caller)) = request.extensions().get() {
            return Ok(Arc::clone(caller));
        }
        let state = AppState::of(request)?;
        let caller = Caller::of(request, state)?;
        let base_domain = state.settings.base_domain.as_deref();
        tenant_selection::check(request, base_domain, caller.principal.tenant())?;
        let caller = Arc::new(caller);
        request.extensions_mut().insert(Self(Arc::clone(&caller)));
        Ok(caller)
    }
}

impl Authenticated {
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let caller = Known::of(request)?;
        Ok(Self {
            user: caller.user()?.clone(),
            caller,
        })
    }

    /// What the token says.
    #[must_use]
    pub fn principal(&self) -> &UserPrincipal {
        &self.user
    }

    /// The request's id.
    #[must_use]
    pub fn request_id(&self) -> &RequestId {
        &self.caller.request_id
    }

    /// Where the request comes from.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.caller.address
    }
}

impl Caller {
    fn of(request: &HttpRequest, state: &AppState) -> Result<Self, ApiError> {
        let token = bearer_token(request)?;
        let principal = if KeySecret::is_meant(token) {
            PresentedKey::of(request).map(Principal::Key)
        } else {
            verified(request, state, token).map(Principal::User)
        };
        let principal = principal.ok_or(ApiError::InvalidToken)?;
        request.extensions_mut().insert(Bearing(principal.clone()));
        Ok(Self {
            principal,
            request_id: RequestId::of(request),
            address: client_address(request, &state.settings.trusted_proxies),
        })
    }

    fn user(&self) -> Result<&UserPrincipal, ApiError> {
        self.principal.user().ok_or(ApiError::KeyNotAllowed)
    }
}

impl Bearer {
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let caller = Caller::of(request, AppState::of(request)?)?;
        Ok(Self {
            user: caller.user()?.clone(),
            address: caller.address,
        })
    }

    /// What the token says.
    #[must_use]
    pub fn principal(&self) -> &UserPrincipal {
        &self.user
    }

    /// Where the request comes from.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }
}

impl<P> Authorized<P> {
    /// What the token says, or the key.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.caller.principal
    }

    /// All that the caller may do in the tenant.
    #[must_use]
    pub fn permissions(&self) -> PermissionSet {
        self.principal().permissions()
    }

    /// The tenant that the token names, or that the key belongs to.
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
        &self.caller.request_id
    }

    /// Where the request comes from.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.caller.address
    }
}

impl<P: Require> Authorized<P> {
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let caller = Known::of(request)?;
        let tenant = caller.principal.tenant().cloned();
        let tenant = tenant.ok_or(ApiError::NoTenant)?;
        if !caller.principal.permits(P::PERMISSION) {
            return Err(ApiError::Forbidden);
        }
        Ok(Self {
            caller,
            tenant,
            permission: PhantomData,
        })
    }
}

impl FromRequest for Bearer {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
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
pub(crate) fn bearer_token(request: &HttpRequest) -> Result<&str, ApiError> {
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

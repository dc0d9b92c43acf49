//! What the handlers work with: the databases and the password threads. Made once by the binary.

use actix_web::{HttpRequest, web::Data};
use auth::{
    AccessTokens, CustomRoleClaim, FingerprintKey, PasswordThreads, PermissionSet, RefreshKey,
    RefreshToken, TenantClaim, TotpKeys, UserPrincipal,
};
use chrono::{DateTime, Duration, Utc};
use domain::TenantMembership;
use jobs::{Outbox, Trail, Views};
use std::sync::Arc;
use store::{
    ApiCalls, IdentityDb, LoginLimit, NewRefreshToken, NewSession, PlanLimits, SignedIn,
    TenantPlans,
};
use tenant_db::TenantDb;

use crate::captcha::Captcha;
use crate::error::ApiError;
use crate::exports::Exports;

/// Handlers take `Data<Services>`.
pub struct Services {
    /// Rows of tenants.
    pub tenants: TenantDb,
    /// Accounts and sessions.
    pub identity: IdentityDb,
    /// What tenants pay for, without asking the database each time.
    pub plans: TenantPlans,
    /// How much of what each tier may have.
    pub limits: PlanLimits,
    /// Counts what tenants ask of the API.
    pub api_calls: ApiCalls,
    /// bcrypt, on threads of its own.
    pub passwords: PasswordThreads,
    /// What is done later, and who does it.
    pub outbox: Outbox,
    /// Which projects are looked at.
    pub views: Views,
    /// Who was refused, and who has read what is sensitive.
    pub trail: Trail,
    /// The exports that are under way.
    pub exports: Exports,
    /// What a registration must show.
    pub captcha: Captcha,
    /// Whether only who has followed the link in a mail gets in.
    pub require_verified_email: bool,
    /// Which refresh token follows which.
    pub refresh_key: RefreshKey,
    /// How long a refresh token lives, in days.
    pub refresh_lifetime_days: u32,
    /// What seals the secrets of second factors.
    pub totp_keys: Arc<TotpKeys>,
    /// What tells a request that is repeated from another one.
    pub fingerprint_key: FingerprintKey,
    /// How many sign-ins may fail.
    pub login_limit: LoginLimit,
    /// How long ago somebody may have proved who they are for what cannot be undone, in seconds.
    pub step_up_max_age_seconds: i32,
    /// How long an invitation is good, in days.
    pub invitation_lifetime_days: u16,
    /// How many days a deleted tenant can be restored.
    pub deletion_grace_days: u16,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services").finish_non_exhaustive()
    }
}

impl Services {
    /// For what is no handler.
    ///
    /// # Errors
    /// 500 where the app was made without them.
    pub(crate) fn of(request: &HttpRequest) -> Result<&Data<Self>, ApiError> {
        request
            .app_data()
            .ok_or_else(|| ApiError::internal("the app has no Services"))
    }

    /// A fresh refresh token, and the session that it belongs to.
    pub(crate) fn new_session(
        &self,
        device: Option<String>,
        address: std::net::IpAddr,
    ) -> (RefreshToken, NewSession) {
        let refresh = RefreshToken::generate();
        let session = NewSession {
            device,
            address: Some(address),
            refresh: self.new_refresh_token(&refresh, Utc::now()),
        };
        (refresh, session)
    }

    /// What is kept of a refresh token that is handed out at `now`.
    pub(crate) fn new_refresh_token(
        &self,
        token: &RefreshToken,
        now: DateTime<Utc>,
    ) -> NewRefreshToken {
        NewRefreshToken {
            hash: token.hash(),
            expires_at: now + Duration::days(self.refresh_lifetime_days.into()),
        }
    }
}

/// The access token of whoever signed in.
pub(crate) fn access_token(tokens: &AccessTokens, who: &SignedIn) -> Result<String, ApiError> {
    let principal = UserPrincipal {
        account: who.account.id,
        session: who.session,
        tenant: who.tenant.as_ref().map(claim),
    };
    tokens
        .issue(&principal, Utc::now())
        .map_err(ApiError::internal)
}

fn claim(membership: &TenantMembership) -> TenantClaim {
    TenantClaim {
        id: membership.tenant_id,
        slug: membership.slug.clone(),
        role: membership.role,
        role_version: membership.role_version,
        custom_role: membership.custom_role.as_ref().map(|custom| {
            let words = custom.permissions.iter().map(String::as_str);
            CustomRoleClaim {
                name: custom.name.clone(),
                permissions: PermissionSet::granted(words, membership.role),
            }
        }),
    }
}

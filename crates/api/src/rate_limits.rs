//! How many requests of whom are served: by address before anything is known, then by tenant and by
//! user or key. What a bucket is, and where it lives, is the crate `rate-limit`.

mod address;
mod caller;
mod headers;
mod known_keys;
mod settings;
mod toll;

use std::net::IpAddr;
use std::time::Duration;

use actix_web::HttpRequest;
use rate_limit::{Decision, Draw, Health, Limit, Limiter, Local, Unavailable};

pub(crate) use self::address::limit_address;
pub(crate) use self::caller::{charge, charge_key, tenant_of};
pub(crate) use self::headers::write;
pub use self::settings::{RateLimitSettings, TierSettings, TiersSettings};
pub(crate) use self::toll::Toll;

use self::headers::Drawn;
use self::known_keys::KnownKeys;
use crate::error::ApiError;

/// How many requests of whom are served; made once by the binary.
pub struct RateLimits {
    settings: RateLimitSettings,
    tiers: TiersSettings,
    exempts_loopback: bool,
    addresses: Local,
    callers: Limiter,
    keys: KnownKeys,
}

impl RateLimits {
    /// Of callers by this limiter, of addresses in this process. Requests from this machine itself
    /// are exempt from the limits of addresses until [`with_loopback`](Self::with_loopback).
    #[must_use]
    pub fn new(settings: RateLimitSettings, tiers: TiersSettings, callers: Limiter) -> Self {
        Self {
            settings,
            tiers,
            exempts_loopback: true,
            addresses: Local::new(),
            callers,
            keys: KnownKeys::default(),
        }
    }

    /// None.
    #[must_use]
    pub fn off() -> Self {
        let settings = RateLimitSettings {
            enabled: false,
            ..RateLimitSettings::default()
        };
        Self::new(settings, TiersSettings::default(), Limiter::local())
    }

    /// This machine itself is an address like any other.
    #[must_use]
    pub fn with_loopback(self) -> Self {
        Self {
            exempts_loopback: false,
            ..self
        }
    }

    /// How the limiter of callers is; `None` where there are no limits.
    pub(crate) fn health(&self) -> Option<Health> {
        self.settings.enabled.then(|| self.callers.health())
    }

    /// Whether requests of this address are not counted by it.
    fn exempts(&self, address: IpAddr) -> bool {
        !self.settings.enabled || (self.exempts_loopback && address.is_loopback())
    }
}

impl std::fmt::Debug for RateLimits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateLimits")
            .field("settings", &self.settings)
            .field("callers", &self.callers)
            .finish_non_exhaustive()
    }
}

/// One bucket of a request: what it is called to the client, and to the limiter.
struct Bucket {
    /// In the headers.
    policy: &'static str,
    /// In the problem.
    whose: &'static str,
    name: String,
    limit: Limit,
}

impl Bucket {
    fn draw(&self, cost: u32) -> Draw<'_> {
        Draw {
            name: &self.name,
            limit: self.limit,
            cost,
        }
    }
}

/// Notes on the request how its buckets stand.
///
/// # Errors
/// 429 where one of them was empty, 503 where nobody can tell.
fn settle(
    request: &HttpRequest,
    buckets: &[Bucket],
    decision: Result<Decision, Unavailable>,
) -> Result<(), ApiError> {
    let decision = decision.map_err(|_| ApiError::RateLimitsUnavailable)?;
    let levels = decision.levels().iter();
    Drawn::add(
        request,
        buckets.iter().map(|bucket| bucket.policy).zip(levels),
    );
    let Some((place, wait)) = decision.refused() else {
        return Ok(());
    };
    let limit = buckets.get(place).map_or("tenant", |bucket| bucket.whose);
    metrics::counter!("rowhouse_rate_limited_total", "limit" => limit).increment(1);
    Err(ApiError::RateLimited {
        limit,
        retry_after_seconds: whole_seconds(wait).max(1),
    })
}

/// Rounded up: who comes back then does not come too early.
fn whole_seconds(time: Duration) -> u64 {
    let begun = u64::from(time.subsec_nanos() > 0);
    time.as_secs().saturating_add(begun)
}

//! `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10) on every answer whose
//! request drew from a bucket.

use std::fmt::Write as _;

use actix_web::{
    HttpMessage as _, HttpRequest,
    http::header::{HeaderMap, HeaderName, HeaderValue},
};
use rate_limit::Level;

use super::whole_seconds;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// The buckets that a request has drawn from, or wanted to.
pub(super) struct Drawn(Vec<(&'static str, Level)>);

impl Drawn {
    pub(super) fn add<'a>(
        request: &HttpRequest,
        levels: impl Iterator<Item = (&'static str, &'a Level)>,
    ) {
        let levels = levels.map(|(policy, level)| (policy, *level));
        let mut extensions = request.extensions_mut();
        match extensions.get_mut::<Self>() {
            Some(Self(drawn)) => drawn.extend(levels),
            None => drop(extensions.insert(Self(levels.collect()))),
        }
    }
}

/// Writes both: of each bucket how many tokens come in a minute (`q`, `w`) and how many it holds (of
/// us alone, hence the parameter's name), how many are left (`r`) and in how many seconds it is full
/// (`t`).
pub(crate) fn write(request: &HttpRequest, headers: &mut HeaderMap) {
    let extensions = request.extensions();
    let Some(Drawn(drawn)) = extensions.get() else {
        return;
    };
    let (mut policies, mut limits) = (String::new(), String::new());
    for (policy, level) in drawn {
        let comma = if policies.is_empty() { "" } else { ", " };
        let (per_minute, burst) = (level.limit.tokens_per_minute(), level.limit.burst());
        let (left, full) = (level.remaining, whole_seconds(level.full_after));
        // Into a text it cannot fail.
        let written = write!(
            policies,
            r#"{comma}"{policy}";q={per_minute};w=60;rowhouse-burst={burst}"#
        )
        .and_then(|()| write!(limits, r#"{comma}"{policy}";r={left};t={full}"#));
        if written.is_err() {
            return;
        }
    }
    for (name, value) in [(POLICY, policies), (LIMIT, limits)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

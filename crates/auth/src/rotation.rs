//! When a refresh token may be used: once, and once more while the answer may still be on its way.
//! Pure rules; the store asks them under a lock on the session.

use chrono::{DateTime, TimeDelta, Utc};

/// How long after its use a token is answered once more: two tabs wake up at the same time, or an
/// answer was lost on the way.
const GRACE: TimeDelta = TimeDelta::seconds(10);

/// What is known of a refresh token that was handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredRefreshToken {
    /// From when on it is worth nothing.
    pub expires_at: DateTime<Utc>,
    /// When it was used; `None`: not yet.
    pub used_at: Option<DateTime<Utc>>,
}

/// What it means that a refresh token is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presentation {
    /// Its one use.
    First,
    /// Used at most 10 seconds ago: the same child again.
    Repeated,
    /// Used before that: somebody has a copy, and the session must end.
    Reused,
    /// Too old, used or not.
    Expired,
}

impl StoredRefreshToken {
    /// What it means that this token is presented at `now`. Expiry goes first, so that it makes no
    /// difference when expired tokens are deleted.
    #[must_use]
    pub fn presented_at(&self, now: DateTime<Utc>) -> Presentation {
        if now >= self.expires_at {
            return Presentation::Expired;
        }
        match self.used_at {
            None => Presentation::First,
            Some(used_at) if now.signed_duration_since(used_at) <= GRACE => Presentation::Repeated,
            Some(_) => Presentation::Reused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::seconds(seconds)
    }

    fn presented(used_at: Option<i64>, now: DateTime<Utc>) -> Presentation {
        let token = StoredRefreshToken {
            expires_at: at(1000),
            used_at: used_at.map(at),
        };
        token.presented_at(now)
    }

    #[test]
    fn a_token_is_good_once_until_it_expires() {
        let moment = TimeDelta::nanoseconds(1);
        assert_eq!(presented(None, at(-1000)), Presentation::First);
        assert_eq!(presented(None, at(1000) - moment), Presentation::First);
        assert_eq!(presented(None, at(1000)), Presentation::Expired);
    }

    #[test]
    fn for_ten_seconds_after_its_use_it_is_good_once_more() {
        let moment = TimeDelta::nanoseconds(1);
        assert_eq!(presented(Some(0), at(0)), Presentation::Repeated);
        assert_eq!(presented(Some(0), at(10)), Presentation::Repeated);
        assert_eq!(presented(Some(0), at(10) + moment), Presentation::Reused);
        assert_eq!(presented(Some(0), at(999)), Presentation::Reused);
        assert_eq!(presented(Some(0), at(1000)), Presentation::Expired);
    }

    #[test]
    fn a_server_whose_clock_is_behind_sees_a_repetition() {
        assert_eq!(presented(Some(0), at(-3)), Presentation::Repeated);
    }
}

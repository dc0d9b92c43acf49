//! The token bucket as a pure function of its state and the time. Its state is one number, as in the
//! generic cell rate algorithm (ITU-T I.371, virtual scheduling): when the bucket will be full.

use std::time::Duration;

use crate::{Level, Limit};

/// A bucket's state. The default one is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at: u64,
}

impl Bucket {
    /// A bucket that is full at this time, in microseconds of whatever clock.
    #[must_use]
    pub const fn full_at(micros: u64) -> Self {
        Self { full_at: micros }
    }

    /// When it is full, in microseconds of the clock that it was drawn from by.
    #[must_use]
    pub const fn full_at_micros(self) -> u64 {
        self.full_at
    }

    /// Draws `cost` tokens at the time `now`, in microseconds: the state afterwards, and the level.
    /// What has not enough is left as it is. A cost of 0 only looks.
    ///
    /// A clock that goes back never adds a token, and costs at most what the bucket held: it is
    /// empty then, and fills from there. A limit that shrank empties it likewise.
    ///
    /// ```
    /// use rate_limit::{Bucket, Limit};
    /// use std::{num::NonZeroU32, time::Duration};
    ///
    /// let two = NonZeroU32::new(2).unwrap();
    /// let limit = Limit::per_minute(two, two);
    /// let (bucket, _) = Bucket::default().draw(limit, 0, 1);
    /// let (bucket, level) = bucket.draw(limit, 0, 1);
    /// assert_eq!(level.remaining, 0);
    /// let (_, level) = bucket.draw(limit, 10_000_000, 1);
    /// assert_eq!(level.retry_after, Some(Duration::from_secs(20)));
    /// ```
    #[must_use]
    pub fn draw(self, limit: Limit, now: u64, cost: u32) -> (Self, Level) {
        let end = now.saturating_add(limit.span_micros());
        let before = self.full_at.clamp(now, end);
        let after = before.saturating_add(limit.interval_micros() * u64::from(cost));
        if after > end {
            let wait = if cost > limit.burst() {
                Duration::MAX
            } else {
                Duration::from_micros(after - end)
            };
            return (self, level(limit, before - now, Some(wait)));
        }
        (Self { full_at: after }, level(limit, after - now, None))
    }

    /// Puts `cost` tokens back that were drawn before, when the bucket became `drawn`. Never more than
    /// if they had not been drawn; less by what came since, as it may have been full.
    pub(crate) fn give_back(self, drawn: Self, limit: Limit, now: u64, cost: u32) -> Self {
        let lent = limit.interval_micros() * u64::from(cost);
        let missing = drawn.full_at.saturating_sub(now);
        Self {
            full_at: self.full_at.saturating_sub(lent.min(missing)),
        }
    }
}

/// The level of a bucket that lacks what comes within `lacking` microseconds.
pub(crate) fn level(limit: Limit, lacking: u64, retry_after: Option<Duration>) -> Level {
    let held = limit.span_micros().saturating_sub(lacking) / limit.interval_micros();
    Level {
        limit,
        remaining: u32::try_from(held).unwrap_or(limit.burst()),
        full_after: Duration::from_micros(lacking),
        retry_after,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    fn limit(per_minute: u32, burst: u32) -> Limit {
        Limit::per_minute(
            NonZeroU32::new(per_minute).unwrap(),
            NonZeroU32::new(burst).unwrap(),
        )
    }

    /// Draws at each time, which may lie before the last: what was admitted, and the bucket.
    fn admitted(limit: Limit, draws: &[(u64, u32)]) -> (u64, Bucket) {
        let mut bucket = Bucket::default();
        let mut admitted = 0;
        for &(now, cost) in draws {
            let (next, level) = bucket.draw(limit, now, cost);
            if level.retry_after.is_none() {
                admitted += u64::from(cost);
            } else {
                assert_eq!(next, bucket, "a refusal draws nothing");
            }
            assert!(level.remaining <= limit.burst());
            bucket = next;
        }
        (admitted, bucket)
    }

    fn limits() -> impl Strategy<Value = Limit> {
        (1..=100_000_u32, 1..=1_000_u32).prop_map(|(per_minute, burst)| limit(per_minute, burst))
    }

    proptest! {
        #[test]
        fn never_more_than_the_burst_and_what_came_since(
            limit in limits(),
            steps in prop::collection::vec((0..5_000_000_u64, 0..20_u32), 1..200),
        ) {
            let mut now = 1_000_000_000;
            let draws: Vec<_> = steps
                .iter()
                .map(|&(step, cost)| {
                    now += step;
                    (now, cost)
                })
                .collect();
            let elapsed = draws[draws.len() - 1].0 - draws[0].0;
            let most = u64::from(limit.burst()) + elapsed / limit.interval_micros();
            prop_assert!(admitted(limit, &draws).0 <= most);
        }

        /// Only the time that passed forwards counts.
        #[test]
        fn a_clock_that_goes_back_adds_nothing(
            limit in limits(),
            steps in prop::collection::vec((-5_000_000..5_000_000_i64, 0..20_u32), 1..200),
        ) {
            let (mut now, mut forwards) = (u64::from(u32::MAX) * 1_000, 0);
            let draws: Vec<_> = steps
                .iter()
                .map(|&(step, cost)| {
                    now = now.checked_add_signed(step).unwrap();
                    forwards += u64::try_from(step).unwrap_or(0);
                    (now, cost)
                })
                .collect();
            let most = u64::from(limit.burst()) + forwards / limit.interval_micros();
            prop_assert!(admitted(limit, &draws).0 <= most);
        }

        #[test]
        fn who_waits_as_long_as_told_gets_in(
            limit in limits(),
            cost in 1..20_u32,
            drawn in 0..1_000_u32,
        ) {
            let now = 77_000_000;
            let (_, bucket) = admitted(limit, &[(now, drawn.min(limit.burst()))]);
            let (_, refused) = bucket.draw(limit, now, cost);
            match refused.retry_after {
                None => {}
                Some(Duration::MAX) => prop_assert!(cost > limit.burst()),
                Some(wait) => {
                    let then = now + u64::try_from(wait.as_micros()).unwrap();
                    prop_assert!(bucket.draw(limit, then - 1, cost).1.retry_after.is_some());
                    prop_assert!(bucket.draw(limit, then, cost).1.retry_after.is_none());
                }
            }
        }

        #[test]
        fn what_is_given_back_lets_nobody_in_who_would_not_have_got_in(
            limit in limits(),
            cost in 1..5_u32,
            held in 0..1_000_u32,
            steps in prop::collection::vec((0..1_000_000_u64, 0..5_u32), 0..20),
        ) {
            let start = 5_000_000;
            let (_, before) = admitted(limit, &[(start, held.min(limit.burst()))]);
            let (with, level) = before.draw(limit, start, cost);
            prop_assume!(level.retry_after.is_none());
            let (mut now, mut one, mut other) = (start, with, before);
            for (step, cost) in steps {
                now += step;
                let (next, level) = one.draw(limit, now, cost);
                one = next;
                // Whom the draw kept out stays out.
                if level.retry_after.is_none() {
                    other = other.draw(limit, now, cost).0;
                }
            }
            let one = one.give_back(with, limit, now, cost);
            let lacking = |bucket: Bucket| bucket.draw(limit, now, 0).1.full_after;
            prop_assert!(lacking(one) >= lacking(other));
            if now == start {
                prop_assert_eq!(lacking(one), lacking(other));
            }
        }
    }

    #[test]
    fn a_full_bucket_gives_its_burst_and_no_more() {
        let limit = limit(1, 5);
        let (admitted, bucket) = admitted(limit, &[(7, 1); 9]);
        assert_eq!(admitted, 5);
        let (_, level) = bucket.draw(limit, 7, 1);
        assert_eq!(level.remaining, 0);
        assert_eq!(level.full_after, Duration::from_secs(300));
        assert_eq!(level.retry_after, Some(Duration::from_secs(60)));
    }

    #[test]
    fn a_cost_above_the_burst_never_fits() {
        let (_, level) = Bucket::default().draw(limit(60, 4), 0, 5);
        assert_eq!(level.retry_after, Some(Duration::MAX));
        assert_eq!(level.remaining, 4);
    }

    #[test]
    fn a_limit_that_shrank_holds_at_once() {
        let (bucket, _) = Bucket::default().draw(limit(1, 100), 0, 90);
        let (_, level) = bucket.draw(limit(1, 10), 0, 1);
        assert_eq!(level.remaining, 0);
        assert_eq!(level.retry_after, Some(Duration::from_secs(60)));
    }
}

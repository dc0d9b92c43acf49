//! Buckets in this process, in the state store of `governor`.

use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use governor::clock::{Clock as _, DefaultClock, Reference as _};
use governor::nanos::Nanos;
use governor::state::StateStore as _;
use governor::state::keyed::{DashMapStateStore, ShrinkableKeyedStateStore as _};

use crate::bucket::Bucket;
use crate::{Decision, Draw, Level};

const NANOS_PER_MICRO: u64 = 1_000;
/// Below so many calls nobody looks for buckets that are full again.
const FEWEST_CALLS: usize = 4_096;

/// Family and name.
type Key = (Box<str>, Box<str>);

/// Buckets of this process alone: a call costs well below a microsecond, and never waits.
///
/// A bucket that is full again is forgotten, so at any time at most twice as many are kept as have
/// been drawn from and not refilled yet, and 8,192 more.
pub struct Local {
    buckets: DashMapStateStore<Key>,
    now: Box<dyn Fn() -> u64 + Send + Sync>,
    /// Since somebody last looked for what is full again.
    calls: AtomicUsize,
    calls_to_come: AtomicUsize,
}

impl Default for Local {
    fn default() -> Self {
        let clock = DefaultClock::default();
        let start = clock.now();
        Self::with_clock(move || clock.now().duration_since(start).as_u64() / NANOS_PER_MICRO)
    }
}

impl Local {
    /// Full buckets, by a monotonic clock.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Full buckets, by a clock that counts microseconds.
    #[must_use]
    pub fn with_clock(now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self {
            buckets: DashMapStateStore::default(),
            now: Box::new(now),
            calls: AtomicUsize::new(0),
            calls_to_come: AtomicUsize::new(FEWEST_CALLS),
        }
    }

    /// Draws from every bucket, or from none.
    ///
    /// No lock is held over several buckets: while a call that the second one will refuse has drawn
    /// from the first, another call may find that one empty. Nobody is ever let in too many.
    #[must_use]
    pub fn draw(&self, family: &str, draws: &[Draw<'_>]) -> Decision {
        let now = (self.now)();
        self.forget_full_ones(now);
        if draws.len() > 1 {
            // Most refusals end here, without a token moved.
            let seen: Vec<Level> = draws
                .iter()
                .map(|draw| self.look(family, draw, now))
                .collect();
            let seen = Decision::new(seen);
            if !seen.is_allowed() {
                return seen;
            }
        }
        let mut drawn = Vec::with_capacity(draws.len());
        let mut levels = Vec::with_capacity(draws.len());
        for draw in draws {
            match self.draw_one(family, draw, now) {
                Ok((bucket, level)) => {
                    drawn.push((draw, bucket));
                    levels.push(level);
                }
                Err(refused) => {
                    return self.undo(family, draws, &drawn, refused);
                }
            }
        }
        Decision::new(levels)
    }

    /// How many buckets are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Whether no bucket is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    fn draw_one(&self, family: &str, draw: &Draw<'_>, now: u64) -> Result<(Bucket, Level), Level> {
        self.buckets
            .measure_and_replace(&key(family, draw), |state| {
                let (bucket, level) = bucket_of(state).draw(draw.limit, now, draw.cost);
                match level.retry_after {
                    None => Ok(((bucket, level), state_of(bucket))),
                    Some(_) => Err(level),
                }
            })
    }

    /// The level with the draw, which is not done.
    fn look(&self, family: &str, draw: &Draw<'_>, now: u64) -> Level {
        let seen = self
            .buckets
            .measure_and_replace(&key(family, draw), |state| {
                let bucket = bucket_of(state);
                let (_, wanted) = bucket.draw(draw.limit, now, draw.cost);
                let (_, level) = bucket.draw(draw.limit, now, 0);
                Err::<(Infallible, Nanos), _>(Level {
                    retry_after: wanted.retry_after,
                    ..level
                })
            });
        match seen {
            Ok(never) => match never {},
            Err(level) => level,
        }
    }

    /// Gives back what was drawn; how the buckets then stand.
    fn undo(
        &self,
        family: &str,
        draws: &[Draw<'_>],
        drawn: &[(&Draw<'_>, Bucket)],
        refused: Level,
    ) -> Decision {
        let now = (self.now)();
        for (draw, bucket) in drawn {
            let given = self
                .buckets
                .measure_and_replace(&key(family, draw), |state| {
                    let back = bucket_of(state).give_back(*bucket, draw.limit, now, draw.cost);
                    Ok::<_, Infallible>(((), state_of(back)))
                });
            match given {
                Ok(()) => {}
                Err(never) => match never {},
            }
        }
        let level = |(place, draw): (usize, &Draw<'_>)| {
            if place == drawn.len() {
                refused
            } else {
                Level {
                    retry_after: None,
                    ..self.look(family, draw, now)
                }
            }
        };
        Decision::new(draws.iter().enumerate().map(level).collect())
    }

    fn forget_full_ones(&self, now: u64) {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if calls < self.calls_to_come.load(Ordering::Relaxed) {
            return;
        }
        self.calls.store(0, Ordering::Relaxed);
        self.buckets
            .retain_recent(Nanos::new(now.saturating_mul(NANOS_PER_MICRO)));
        self.buckets.shrink_to_fit();
        let kept = self.buckets.len();
        self.calls_to_come
            .store(kept.max(FEWEST_CALLS), Ordering::Relaxed);
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").finish_non_exhaustive()
    }
}

fn key(family: &str, draw: &Draw<'_>) -> Key {
    (family.into(), draw.name.into())
}

fn bucket_of(state: Option<Nanos>) -> Bucket {
    state.map_or(Bucket::default(), |state| {
        Bucket::full_at(state.as_u64() / NANOS_PER_MICRO)
    })
}

fn state_of(bucket: Bucket) -> Nanos {
    Nanos::new(bucket.full_at_micros().saturating_mul(NANOS_PER_MICRO))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::Limit;

    /// Named twice, a bucket has enough for each when it is looked at, and not for both: as if
    /// another call had come between the look and the draw.
    #[test]
    fn what_was_drawn_before_a_refusal_is_given_back() {
        let local = Local::with_clock(|| 1);
        let draw = |name, cost| Draw {
            name,
            limit: Limit::per_minute(NonZeroU32::MIN, NonZeroU32::new(3).unwrap()),
            cost,
        };
        let decision = local.draw("acme", &[draw("all", 1), draw("vera", 2), draw("vera", 2)]);
        assert_eq!(decision.refused().map(|(which, _)| which), Some(2));
        for name in ["all", "vera"] {
            let looked = local.draw("acme", &[draw(name, 0)]);
            assert_eq!(looked.levels()[0].remaining, 3, "{name}");
        }
    }
}

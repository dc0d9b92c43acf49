//! What a bucket holds and how fast it fills.

use std::num::NonZeroU32;
use std::time::Duration;

const MICROS_PER_MINUTE: u64 = 60_000_000;

/// A bucket's size: it holds `burst` tokens and gets `per_minute` a minute, one at a time.
///
/// A token comes each 60,000,000 / `per_minute` microseconds, rounded up, so never more than
/// `per_minute` in a minute; beyond 60 million a minute, one each microsecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    per_minute: NonZeroU32,
    burst: NonZeroU32,
}

impl Limit {
    /// `per_minute` tokens a minute, at most `burst` at once.
    #[must_use]
    pub const fn per_minute(per_minute: NonZeroU32, burst: NonZeroU32) -> Self {
        Self { per_minute, burst }
    }

    /// Tokens a minute.
    #[must_use]
    pub const fn tokens_per_minute(self) -> u32 {
        self.per_minute.get()
    }

    /// Tokens of a full bucket.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.burst.get()
    }

    /// How long a token takes to come.
    #[must_use]
    pub fn interval(self) -> Duration {
        Duration::from_micros(self.interval_micros())
    }

    pub(crate) fn interval_micros(self) -> u64 {
        MICROS_PER_MINUTE.div_ceil(u64::from(self.per_minute.get()))
    }

    /// How long an empty bucket takes to be full.
    pub(crate) fn span_micros(self) -> u64 {
        self.interval_micros() * u64::from(self.burst.get())
    }
}

//! What became of a call, bucket by bucket.

use std::time::Duration;

use crate::Limit;

/// How one bucket stands after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Its size.
    pub limit: Limit,
    /// Whole tokens that are left.
    pub remaining: u32,
    /// When it is full, if nobody draws.
    pub full_after: Duration,
    /// `None`: it had enough for the call. Else when it will have, if nobody else draws;
    /// [`Duration::MAX`] where the cost is above the burst, so that it never will.
    pub retry_after: Option<Duration>,
}

/// Whether a call may go on, and how its buckets stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    levels: Vec<Level>,
}

impl Decision {
    pub(crate) const fn new(levels: Vec<Level>) -> Self {
        Self { levels }
    }

    /// Nobody was asked.
    pub(crate) const fn unlimited() -> Self {
        Self { levels: Vec::new() }
    }

    /// Whether every bucket had enough. If not, nothing was taken from any.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.refused().is_none()
    }

    /// One level for each draw, in their order; none where Redis is gone and `on_failure` is
    /// [`OnFailure::Open`](crate::OnFailure::Open).
    #[must_use]
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// Which bucket refused, by its place among the draws, and when to come back. Of several, the
    /// one that takes longest; of those that take as long, the first.
    #[must_use]
    pub fn refused(&self) -> Option<(usize, Duration)> {
        let refused = self.levels.iter().enumerate();
        refused
            .filter_map(|(place, level)| Some((place, level.retry_after?)))
            .reduce(|longest, other| if other.1 > longest.1 { other } else { longest })
    }
}

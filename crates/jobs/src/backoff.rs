//! How long to wait after an attempt that failed.

use std::time::Duration;

/// Exponential backoff with full jitter: a random part of `base * 2^(attempt - 1)`, which grows no
/// further than `most`. What failed together does not come back together
/// (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
///
/// `random` is a number from 0 up to 1; `attempt` the one that failed, from 1 up.
pub(crate) fn wait(base: Duration, most: Duration, attempt: u32, random: f64) -> Duration {
    let factor = 1_u32
        .checked_shl(attempt.saturating_sub(1))
        .unwrap_or(u32::MAX);
    let ceiling = base.saturating_mul(factor).min(most);
    ceiling.mul_f64(random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_secs(1);
    const MOST: Duration = Duration::from_secs(3600);

    #[test]
    fn the_longest_wait_doubles_up_to_its_limit() {
        let seconds = |attempt| wait(BASE, MOST, attempt, 1.0).as_secs();
        assert_eq!([1, 2, 3, 4, 12].map(seconds), [1, 2, 4, 8, 2048]);
        for attempt in [13, 31, 32, 33, 64, u32::MAX] {
            assert_eq!(seconds(attempt), 3600, "{attempt}");
        }
    }

    #[test]
    fn what_is_waited_is_a_random_part_of_it() {
        for (random, expected) in [(0.0, 0), (0.25, 1000), (0.5, 2000), (1.0, 4000)] {
            let expected = Duration::from_millis(expected);
            assert_eq!(wait(BASE, MOST, 3, random), expected);
        }
    }
}

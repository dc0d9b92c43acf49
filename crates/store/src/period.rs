//! A span of time, and the ids that were made in it: trails are kept by UUIDs of version 7, whose
//! first 48 bits are milliseconds since 1970 (RFC 9562, 5.7).

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// From a time on, and before another; open where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Period {
    /// From this time on.
    pub from: Option<DateTime<Utc>>,
    /// Before this time.
    pub to: Option<DateTime<Utc>>,
}

impl Period {
    /// No id of the period is before this one. Where times have whole milliseconds, none that is not
    /// before it is too early.
    pub(crate) fn lowest(&self) -> Uuid {
        self.from.map_or(Uuid::nil(), first_id)
    }

    /// As [`lowest`](Self::lowest), for times with parts of milliseconds.
    pub(crate) fn lowest_with_fractions(&self) -> Uuid {
        let whole = |at: DateTime<Utc>| Uuid::from_u128(milliseconds(at.timestamp_millis()));
        self.from.map_or(Uuid::nil(), whole)
    }

    /// Every id of the period is before this one, or before `cursor`, whichever comes first.
    pub(crate) fn highest(&self, cursor: Option<Uuid>) -> Uuid {
        let end = self.to.map_or(Uuid::max(), first_id);
        cursor.map_or(end, |cursor| cursor.min(end))
    }
}

/// The first id of all that can be made from this time on, in whole milliseconds.
pub(crate) fn first_id(at: DateTime<Utc>) -> Uuid {
    let begun = i64::from(!at.timestamp_subsec_nanos().is_multiple_of(1_000_000));
    Uuid::from_u128(milliseconds(at.timestamp_millis().saturating_add(begun)))
}

/// What was before 1970 has no id.
fn milliseconds(since_1970: i64) -> u128 {
    let bounded = u128::try_from(since_1970).unwrap_or_default();
    bounded.min((1 << 48) - 1) << 80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn an_id_is_in_the_period_in_which_it_was_made() {
        let period = Period {
            from: Some(at("2026-11-21T21:00:00.0015Z")),
            to: Some(at("2026-11-21T21:00:00.003Z")),
        };
        let id = |millisecond: u128| {
            let base = u128::try_from(at("2026-11-21T21:00:00Z").timestamp_millis()).unwrap();
            Uuid::from_u128(((base + millisecond) << 80) + 7)
        };
        assert!(id(1) < period.lowest() && period.lowest() < id(2));
        assert!(period.lowest_with_fractions() < id(1));
        assert!(id(2) < period.highest(None) && period.highest(None) < id(3));
        assert_eq!(period.highest(Some(id(2))), id(2));
        assert_eq!(period.highest(Some(id(9))), period.highest(None));
        let open = Period::default();
        assert_eq!(
            (open.lowest(), open.highest(None)),
            (Uuid::nil(), Uuid::max())
        );
        assert_eq!(first_id(at("1969-12-31T00:00:00Z")), Uuid::nil());
    }
}

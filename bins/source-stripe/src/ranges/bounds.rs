//! What a run asks of a stream, against Stripe's time.

use protocol::{ConfiguredStream, TimeRange, Timestamp};

use super::state::Span;

/// How far behind Stripe's time a run claims to have seen everything, in seconds.
const SETTLED_SECONDS: i64 = 2;

/// The time that a run accounts for, and which of its ends nobody set.
///
/// Migrated objects are older than their account, and those of test clocks lie in the future: an
/// end that was not set is open, and asked for without a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// The span that the state will claim.
    pub(crate) span: Span,
    /// Whether the lower end is open.
    pub(crate) open_below: bool,
    /// Whether the upper end is open.
    pub(crate) open_above: bool,
}

impl Bounds {
    /// The bounds for a stream of the catalog, at `now` of Stripe's clock.
    ///
    /// The end of a run, which an engine takes from its own clock, bounds only what is claimed:
    /// where that clock is behind, what is newer is there all the same.
    pub(crate) fn of(configured: &ConfiguredStream, now: Timestamp) -> Self {
        let bounds = Self::new(configured.time_range.unwrap_or_default(), now);
        Self { open_above: bounds.open_above || configured.open_end, ..bounds }
    }

    /// The bounds for a time range, at `now` of Stripe's clock.
    ///
    /// An upper end that Stripe's time has not reached is no end: an engine that does not say whose
    /// end it is may have taken it from a clock that is ahead.
    pub(crate) fn new(asked: TimeRange, now: Timestamp) -> Self {
        let settled = Timestamp::from_seconds(now.seconds_floor().saturating_sub(SETTLED_SECONDS));
        let gte = asked.gte.unwrap_or(Timestamp::EPOCH);
        let lt = asked.lt.map_or(settled, |lt| lt.min(settled)).max(gte);
        Self {
            span: Span { gte, lt },
            open_below: gte <= Timestamp::EPOCH,
            open_above: asked.lt.is_none_or(|lt| lt >= settled),
        }
    }

    /// The same without a lower end, for a list that cannot be asked for a time.
    pub(crate) const fn whole_list(self) -> Self {
        Self {
            span: Span { gte: Timestamp::EPOCH, lt: self.span.lt },
            open_below: true,
            open_above: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_500);

    fn bounds(gte: Option<i64>, lt: Option<i64>) -> Bounds {
        let time = |seconds: Option<i64>| seconds.map(Timestamp::from_seconds);
        Bounds::new(TimeRange { gte: time(gte), lt: time(lt) }, NOW)
    }

    #[test]
    fn ends_that_nobody_set_are_open() {
        let open = bounds(None, None);
        assert_eq!(open.span.gte, Timestamp::EPOCH);
        assert_eq!(open.span.lt, Timestamp::from_seconds(998));
        assert!(open.open_below && open.open_above);
        let closed = bounds(Some(5), Some(900));
        assert_eq!(closed.span.lt, Timestamp::from_seconds(900));
        assert!(!closed.open_below && !closed.open_above);
    }

    #[test]
    fn a_clock_that_is_ahead_claims_nothing_that_stripe_has_not_reached() {
        let ahead = bounds(None, Some(4600));
        assert_eq!(ahead.span.lt, Timestamp::from_seconds(998));
        assert!(ahead.open_above);
    }

    #[test]
    fn the_end_of_a_run_bounds_what_is_claimed_and_not_what_is_asked() {
        let stream = r#"{"name":"a","primary_key":[["id"]],"newer_than_field":"_updated_at"}"#;
        let asked = TimeRange { gte: None, lt: Some(Timestamp::from_seconds(900)) };
        let owners = ConfiguredStream {
            time_range: Some(asked),
            ..ConfiguredStream::new(serde_json::from_str(stream).unwrap())
        };
        let runs = ConfiguredStream { open_end: true, ..owners.clone() };
        let (owners, runs) = (Bounds::of(&owners, NOW), Bounds::of(&runs, NOW));
        assert_eq!((owners.span, owners.open_above), (runs.span, false));
        assert!(runs.open_above);
    }

    #[test]
    fn a_span_is_never_inverted() {
        let future = bounds(Some(5000), None);
        assert_eq!(future.span.gte, future.span.lt);
    }
}

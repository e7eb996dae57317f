//! Stripe's time, estimated from the `Date` headers of its answers. The local clock is never asked.

use std::time::{Duration, UNIX_EPOCH};

use protocol::Timestamp;

/// How much older than its request a page is taken to be: a list may lag behind the truth, and no
/// page may beat an event that it does not contain.
pub(crate) const LIST_LAG_SECONDS: i64 = 10;

/// What is known of Stripe's time against our own monotonic clock.
///
/// A `Date` names a whole second that has begun when the answer is received, so Stripe's time is at
/// least that; the largest such bound is kept, and an estimate is never too high.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ServerClock {
    ahead_millis: Option<i64>,
}

impl ServerClock {
    /// Takes in the `Date` of an answer that was received `received` after our start.
    pub(crate) fn observe(&mut self, date: Timestamp, received: Duration) {
        let ahead = date.millis().saturating_sub(millis(received));
        self.ahead_millis = Some(self.ahead_millis.map_or(ahead, |known| known.max(ahead)));
    }

    /// Stripe's time `moment` after our start, or a little less; `None` before the first answer.
    pub(crate) fn at(&self, moment: Duration) -> Option<Timestamp> {
        self.ahead_millis.map(|ahead| Timestamp::from_millis(ahead.saturating_add(millis(moment))))
    }

    /// The version stamp of a page's objects, unix seconds: Stripe's time when the page was asked
    /// for, less what a list may lag. `date` is the page's own, in case another server runs ahead.
    pub(crate) fn page_stamp(&self, sent: Duration, date: Option<Timestamp>) -> Option<i64> {
        let asked = self.at(sent)?;
        let asked = date.map_or(asked, |date| asked.min(date));
        Some(asked.seconds_floor().saturating_sub(LIST_LAG_SECONDS))
    }
}

/// Reads a time as HTTP headers write it.
pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    let time = httpdate::parse_http_date(text).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok().map(Timestamp::from_seconds)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_page_is_stamped_with_the_time_of_its_request_less_ten_seconds() {
        let mut clock = ServerClock::default();
        assert_eq!(clock.page_stamp(Duration::ZERO, None), None);
        clock.observe(Timestamp::from_seconds(1000), Duration::from_secs(3));
        assert_eq!(clock.page_stamp(Duration::from_secs(1), None), Some(988));
        let behind = Some(Timestamp::from_seconds(996));
        assert_eq!(clock.page_stamp(Duration::from_secs(1), behind), Some(986));
    }

    #[test]
    fn dates_are_read_as_http_writes_them() {
        let date = http_date("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date, Some(Timestamp::from_seconds(784_111_777)));
        assert_eq!(http_date("1994-11-06"), None);
    }

    proptest! {
        #[test]
        fn the_estimate_is_never_too_high(
            start in 0_i64..2_000_000_000_000,
            answers in prop::collection::vec((0_u64..100_000, 0_u64..5_000), 1..20),
            ask in 0_u64..200_000,
        ) {
            let mut clock = ServerClock::default();
            for (generated, travelled) in answers {
                let truth = Timestamp::from_millis(start + i64::try_from(generated).unwrap());
                let date = Timestamp::from_seconds(truth.seconds_floor());
                clock.observe(date, Duration::from_millis(generated + travelled));
            }
            let truth = start + i64::try_from(ask).unwrap();
            let estimate = clock.at(Duration::from_millis(ask)).unwrap().millis();
            prop_assert!(estimate <= truth && estimate > truth - 6_000);
        }
    }
}

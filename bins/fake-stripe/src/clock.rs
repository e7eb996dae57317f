//! The server's clock. It may run ahead or behind, stand still, and be moved on by hand.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

const MILLIS: i64 = 1_000;
/// The last moment of the year 9999: no HTTP date is later.
const LAST: i64 = 253_402_300_799_999;

/// What time it is at the server.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// Where it stands still, in milliseconds; none if it runs with the machine's.
    still: Option<i64>,
    /// How far it is ahead of that, in milliseconds.
    ahead: AtomicI64,
}

impl Clock {
    /// A clock that runs `ahead` seconds ahead of the machine's.
    pub(crate) fn running(ahead: i64) -> Self {
        Self { still: None, ahead: AtomicI64::new(ahead.saturating_mul(MILLIS)) }
    }

    /// A clock that stands at `at`, in unix seconds.
    pub(crate) fn still(at: i64) -> Self {
        Self { still: Some(at.saturating_mul(MILLIS)), ahead: AtomicI64::new(0) }
    }

    /// The time, in milliseconds since 1970; never before, and never beyond the year 9999.
    pub(crate) fn now(&self) -> i64 {
        let base = self.still.unwrap_or_else(machine);
        base.saturating_add(self.ahead.load(Ordering::SeqCst)).clamp(0, LAST)
    }

    /// The time in unix seconds.
    pub(crate) fn seconds(&self) -> i64 {
        self.now().div_euclid(MILLIS)
    }

    /// Moves it on, in seconds; never back.
    pub(crate) fn advance(&self, seconds: u32) {
        self.ahead.fetch_add(i64::from(seconds) * MILLIS, Ordering::SeqCst);
    }
}

fn machine() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "the one place where the fake reads the clock")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_still_clock_moves_by_hand_only() {
        let clock = Clock::still(1_800_000_000);
        assert_eq!(clock.now(), 1_800_000_000_000);
        clock.advance(35 * 86_400);
        assert_eq!(clock.seconds(), 1_803_024_000);
    }

    #[test]
    fn no_clock_shows_a_time_that_no_answer_can_tell() {
        for (seconds, shown) in
            [(i64::MAX, 253_402_300_799), (300_000_000_000, 253_402_300_799), (-1, 0)]
        {
            let clock = Clock::still(seconds);
            clock.advance(0);
            assert_eq!(clock.seconds(), shown);
        }
    }

    #[test]
    fn a_running_clock_is_as_far_ahead_as_it_is_told() {
        let (ahead, behind) = (Clock::running(600).now(), Clock::running(-600).now());
        assert!((1_199_000..=1_200_000).contains(&(ahead - behind)), "{}", ahead - behind);
    }
}

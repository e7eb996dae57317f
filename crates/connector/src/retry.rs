//! How long to wait before the next try.

use std::time::Duration;

/// First wait at most, before jitter.
const FIRST: Duration = Duration::from_millis(500);
/// Longest wait that the other side may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(60);
/// Tries in all, the first included.
pub const TRIES: u32 = 6;

/// The wait after failure number `failures` (from 1), or `None` when it was the last try.
///
/// Exponential with full jitter: a fraction `random` (0 to 1) of 0.5 s, 1 s, 2 s, 4 s, 8 s. What the
/// other side asked for (`Retry-After`) is waited in full, up to 60 s.
#[must_use]
pub fn wait(failures: u32, asked: Option<Duration>, random: f64) -> Option<Duration> {
    if failures >= TRIES {
        return None;
    }
    let most = FIRST.saturating_mul(1_u32 << failures.saturating_sub(1));
    let jittered = most.mul_f64(random.clamp(0.0, 1.0));
    Some(asked.map_or(jittered, |asked| asked.min(LONGEST_ASKED).max(jittered)))
}

/// A random fraction for [`wait`].
#[must_use]
pub fn jitter() -> f64 {
    fastrand::f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_eight_seconds_and_end() {
        let waits: Vec<_> = (1..=6).map(|n| wait(n, None, 1.0).map(|w| w.as_millis())).collect();
        assert_eq!(waits, [Some(500), Some(1000), Some(2000), Some(4000), Some(8000), None]);
        assert_eq!(wait(3, None, 0.0), Some(Duration::ZERO));
    }

    #[test]
    fn what_was_asked_is_waited_but_not_for_ever() {
        assert_eq!(wait(1, Some(Duration::from_secs(7)), 0.5), Some(Duration::from_secs(7)));
        assert_eq!(wait(1, Some(Duration::from_secs(9999)), 0.5), Some(LONGEST_ASKED));
    }
}

//! Google's quota for one user, kept on our side: reads and writes apart, never more in any minute
//! than allowed.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, RateLimiter};

/// Two buckets.
pub(crate) struct Quota {
    reads: DefaultDirectRateLimiter,
    writes: DefaultDirectRateLimiter,
    per_minute: u32,
}

impl std::fmt::Debug for Quota {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Quota").field("per_minute", &self.per_minute).finish_non_exhaustive()
    }
}

impl Quota {
    pub(crate) fn new(per_minute: u32) -> Self {
        let bucket = || RateLimiter::direct(shape(per_minute));
        Self { reads: bucket(), writes: bucket(), per_minute }
    }

    /// Takes the right to one request; else says how long to wait before asking again.
    pub(crate) fn ask(&self, is_read: bool) -> Result<(), Duration> {
        let bucket = if is_read { &self.reads } else { &self.writes };
        bucket.check().map_err(|not_yet| {
            let wait = not_yet.wait_time_from(DefaultClock::default().now());
            wait.max(Duration::from_millis(1))
        })
    }

    /// What is waited for, for a person.
    pub(crate) fn limit(&self, is_read: bool) -> String {
        let what = if is_read { "reads" } else { "writes" };
        format!("Google allows {} {what} a minute", self.per_minute)
    }
}

/// A burst and what flows after it make up the minute's worth together: a full bucket that refills
/// at the whole rate would let twice as much through in its first minute.
fn shape(per_minute: u32) -> governor::Quota {
    let burst = per_minute.div_ceil(6);
    let flow = per_minute.saturating_sub(burst);
    let at_least_one = |count: u32| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
    governor::Quota::per_minute(at_least_one(flow)).allow_burst(at_least_one(burst))
}

/// About how many seconds it takes to write this many rows of this many cells into an empty tab,
/// from the requests that it needs: a cell is taken to be 20 bytes.
pub(crate) fn estimated_seconds(rows: u64, cells: u64, per_minute: u32) -> u64 {
    let bytes = rows.saturating_mul(cells).saturating_mul(20);
    let requests = bytes.div_ceil(2_000_000).saturating_add(rows.div_ceil(10_000));
    requests.saturating_mul(60).div_ceil(u64::from(per_minute.max(1)))
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    /// The moments, in tenths of a second, at which five minutes of asking is granted.
    fn granted(per_minute: u32) -> Vec<u32> {
        let clock = FakeRelativeClock::default();
        let bucket = RateLimiter::direct_with_clock(shape(per_minute), clock.clone());
        let moments = 0..3_000_u32;
        let granted = moments.flat_map(|moment| {
            let count = std::iter::from_fn(|| bucket.check().ok()).count();
            clock.advance(Duration::from_millis(100));
            std::iter::repeat_n(moment, count)
        });
        granted.collect()
    }

    #[test]
    fn no_minute_sees_more_than_it_may() {
        for per_minute in [2, 5, 7, 60, 300] {
            let granted = granted(per_minute);
            for start in &granted {
                let minute = *start..start + 600;
                let within = granted.iter().filter(|at| minute.contains(at)).count();
                assert!(within <= usize::try_from(per_minute).unwrap(), "{within} of {per_minute}");
            }
            let most = usize::try_from(per_minute).unwrap() * 5;
            assert!(granted.len() * 10 >= most * 5, "{} of {most} in five minutes", granted.len());
        }
    }

    #[test]
    fn rows_are_cheap_and_requests_are_not() {
        assert_eq!(estimated_seconds(10_000, 10, 60), 2);
        assert_eq!(estimated_seconds(100_000, 50, 60), 60);
    }
}

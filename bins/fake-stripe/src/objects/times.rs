//! When objects were created.

use clap::ValueEnum;

use crate::mix::{below, mix};

/// How the creation times of a resource's objects spread over the span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Distribution {
    /// Evenly.
    Uniform,
    /// More and more: twice the average at the end, none at the start.
    Growth,
    /// Nearly all of them lately: now − span · u⁸.
    Skewed,
    /// In two dozen bursts of ten minutes.
    Bursts,
    /// All in one second.
    OneSecond,
}

/// The time that an account's objects span, in unix seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// The first second.
    pub(crate) start: i64,
    /// The second after the last.
    pub(crate) end: i64,
}

const BURSTS: u64 = 24;
const BURST_SECONDS: u64 = 600;

/// The creation times of `count` objects, newest first.
pub(crate) fn creation_times(
    count: usize,
    distribution: Distribution,
    span: Span,
    seed: u64,
) -> Vec<i64> {
    let numbers = (0_u64..).take(count);
    let mut times: Vec<i64> = numbers
        .map(|number| {
            let random = mix(&[seed, number]);
            let offset = offset(distribution, span.seconds(), random, seed);
            span.start.saturating_add_unsigned(offset)
        })
        .collect();
    times.sort_unstable_by(|a, b| b.cmp(a));
    times
}

impl Span {
    fn seconds(self) -> u64 {
        u64::try_from(self.end.saturating_sub(self.start)).unwrap_or(0)
    }
}

/// Seconds after the start, below `seconds`.
fn offset(distribution: Distribution, seconds: u64, random: u64, seed: u64) -> u64 {
    let (high, low) = (random >> 32, random & u64::from(u32::MAX));
    match distribution {
        Distribution::Uniform => share(seconds, high),
        // The larger of two even draws has a density that grows from 0 in a straight line.
        Distribution::Growth => share(seconds, high.max(low)),
        Distribution::Skewed => {
            let to_the_8th = (0..3).fold(high, |power, _| (power * power) >> 32);
            seconds.saturating_sub(1).saturating_sub(share(seconds, to_the_8th))
        }
        Distribution::Bursts => {
            let center = share(seconds, mix(&[seed, below(high, BURSTS)]) >> 32);
            (center + below(low, BURST_SECONDS)).min(seconds.saturating_sub(1))
        }
        Distribution::OneSecond => seconds / 2,
    }
}

/// The part of `whole` that `fraction`, in 2⁻³², is.
fn share(whole: u64, fraction: u64) -> u64 {
    let part = (u128::from(whole) * u128::from(fraction)) >> 32;
    u64::try_from(part).unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span { start: 1_000_000, end: 2_000_000 };

    #[test]
    fn times_stay_in_the_span_newest_first() {
        for distribution in Distribution::value_variants() {
            let times = creation_times(2_000, *distribution, SPAN, 7);
            assert_eq!(times.len(), 2_000);
            assert!(times.is_sorted_by(|a, b| a >= b));
            assert!(times.iter().all(|time| (SPAN.start..SPAN.end).contains(time)));
        }
    }

    #[test]
    fn each_distribution_has_its_shape() {
        let late = |distribution| {
            let times = creation_times(10_000, distribution, SPAN, 7);
            times.iter().filter(|time| **time >= 1_500_000).count()
        };
        assert!((4_800..5_200).contains(&late(Distribution::Uniform)));
        assert!((7_300..7_700).contains(&late(Distribution::Growth)));
        assert!(late(Distribution::Skewed) > 9_000);
        let mut burst_times = creation_times(10_000, Distribution::Bursts, SPAN, 7);
        burst_times.dedup();
        assert!(burst_times.len() < 9_000, "objects share seconds");
        let one = creation_times(100, Distribution::OneSecond, SPAN, 7);
        assert!(one.iter().all(|time| *time == 1_500_000));
    }
}

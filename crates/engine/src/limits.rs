//! When a run is cut off before its end, and what it must have done before that; pure but for the
//! clock that is handed in.

use std::time::Duration;

use tokio::time::Instant;

/// What a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Time for the whole call; none is without end.
    pub time: Option<Duration>,
    /// States to confirm.
    pub states: Option<u64>,
    /// How long a connector that owes an answer may do nothing.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: None, states: None, stall: Duration::from_secs(300) }
    }
}

/// Share of the time after which the source is stopped, so that the destination can finish.
const SOFT: f64 = 0.8;

/// A limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    /// The source is stopped, the destination may finish.
    Soft,
    /// Both are ended.
    Hard,
}

/// What is left of a call's limits.
///
/// Nothing is cut off before something new was confirmed: else a call that is too short for its
/// first page would be repeated for ever.
#[derive(Debug)]
pub(crate) struct Budget {
    soft: Option<Instant>,
    hard: Option<Instant>,
    /// What the destination gets after the source was stopped.
    drain: Duration,
    states: Option<u64>,
    moved: bool,
}

impl Budget {
    /// The limits of a call that began at `began`; `fraction` is the destination's own wish for the
    /// source's share.
    pub(crate) fn new(limits: &Limits, began: Instant, fraction: Option<f64>) -> Self {
        let share = fraction.filter(|share| *share > 0.0 && *share <= 1.0).unwrap_or(SOFT);
        let time = limits.time;
        let part = |time: Duration| Duration::try_from_secs_f64(time.as_secs_f64() * share);
        let soft = time.map(|time| part(time).unwrap_or(time));
        Self {
            soft: soft.and_then(|soft| began.checked_add(soft)),
            hard: time.and_then(|time| began.checked_add(time)),
            drain: time.zip(soft).map_or(Duration::ZERO, |(time, soft)| time.saturating_sub(soft)),
            states: limits.states,
            moved: false,
        }
    }

    /// Something new was confirmed.
    pub(crate) const fn moved(&mut self) {
        self.moved = true;
    }

    /// A state was confirmed.
    pub(crate) const fn count_state(&mut self) {
        if let Some(left) = self.states {
            self.states = Some(left.saturating_sub(1));
        }
    }

    /// Whether as many states were confirmed as were asked for.
    pub(crate) fn is_out_of_states(&self) -> bool {
        self.moved && self.states == Some(0)
    }

    /// Which limit comes next, and when.
    pub(crate) fn next(&self) -> Option<(Instant, Reached)> {
        let soft = self.soft.map(|at| (at, Reached::Soft));
        let hard = self.hard.map(|at| (at, Reached::Hard));
        soft.or(hard).filter(|_| self.moved)
    }

    /// A limit was acted upon at `now`. A destination that was kept from its share by a late first
    /// state gets it all the same.
    pub(crate) fn passed(&mut self, reached: Reached, now: Instant) {
        self.soft = None;
        self.hard = match reached {
            Reached::Soft => self.hard.zip(now.checked_add(self.drain)).map(|(a, b)| a.max(b)),
            Reached::Hard => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(seconds: u64) -> Limits {
        Limits { time: Some(Duration::from_secs(seconds)), ..Limits::default() }
    }

    #[test]
    fn the_source_stops_first_and_neither_before_something_was_confirmed() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let mut budget = Budget::new(&limits(10), began, None);
        assert_eq!(budget.next(), None);
        budget.moved();
        assert_eq!(budget.next(), Some((after(8), Reached::Soft)));
        budget.passed(Reached::Soft, after(8));
        assert_eq!(budget.next(), Some((after(10), Reached::Hard)));
        let mut late = Budget::new(&limits(10), began, Some(0.5));
        late.moved();
        late.passed(Reached::Soft, after(60));
        assert_eq!(late.next(), Some((after(65), Reached::Hard)), "it gets its share to finish");
        late.passed(Reached::Hard, after(65));
        assert_eq!(late.next(), None);
    }

    #[test]
    fn a_limit_beyond_all_time_is_none() {
        let mut budget = Budget::new(&limits(u64::MAX), Instant::now(), Some(0.000_001));
        budget.moved();
        let (at, reached) = budget.next().unwrap();
        assert_eq!(reached, Reached::Soft);
        budget.passed(reached, at);
        assert_eq!(budget.next(), None);
        assert_eq!(Budget::new(&limits(u64::MAX), Instant::now(), Some(1.0)).next(), None);
    }

    #[test]
    fn states_count_only_once_one_of_them_was_new() {
        let limits = Limits { states: Some(1), ..Limits::default() };
        let mut budget = Budget::new(&limits, Instant::now(), None);
        budget.count_state();
        assert!(!budget.is_out_of_states());
        budget.moved();
        assert!(budget.is_out_of_states());
        assert_eq!(budget.next(), None);
    }
}

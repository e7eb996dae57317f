//! All ranges of one stream.

use std::collections::BTreeMap;

use protocol::Timestamp;

use super::bounds::Bounds;
use super::range::{Position, Range, Window};
use super::reconcile::{reconcile, united};
use super::state::{Span, StreamState};

/// Names a range while the process lives.
pub(crate) type RangeId = u32;

/// Most ranges of a stream: each has a place in its state, which is to stay below 16 KiB.
const MOST_RANGES: usize = 128;

/// What is left of a stream, with what is being asked for.
#[derive(Debug, Clone)]
pub(crate) struct RangeSet {
    accounted: Span,
    /// No range is split below this: the account did not exist.
    earliest: Timestamp,
    ranges: BTreeMap<RangeId, Range>,
    next_id: RangeId,
    bounds: Bounds,
}

/// What a page showed, as far as it was emitted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    /// The sort field of each object, in the order of the list.
    pub(crate) sorts: &'a [Option<i64>],
    /// Id of the last object; none when there was no object.
    pub(crate) last_id: Option<&'a str>,
    /// Whether the list goes on.
    pub(crate) has_more: bool,
}

/// What a page did to its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// The span of the range, if that was its last page.
    pub(crate) finished: Option<Span>,
    /// The span that was read of a range in order of time which goes on.
    pub(crate) read: Option<Span>,
    /// Whether the list was found to be out of order now.
    pub(crate) found_disorder: bool,
}

impl RangeSet {
    /// What is left under `bounds` after an earlier run; most objects are from `earliest` on.
    pub(crate) fn new(earlier: Option<&StreamState>, bounds: Bounds, earliest: Timestamp) -> Self {
        Self::of_family(&[earlier], bounds, earliest)
    }

    /// What is left of one or another of several streams that come from the same list.
    pub(crate) fn of_family(
        earlier: &[Option<&StreamState>],
        bounds: Bounds,
        earliest: Timestamp,
    ) -> Self {
        let left = earlier.iter().map(|earlier| reconcile(*earlier, bounds));
        let ranges = left.reduce(united).unwrap_or_default().into_iter().map(Range::new);
        let ranges = (0..).zip(ranges).collect();
        let mut set = Self { accounted: bounds.span, earliest, ranges, next_id: 0, bounds };
        set.next_id = set.ranges.last_key_value().map_or(0, |(id, _)| id.saturating_add(1));
        if bounds.open_below {
            set.open_lowest();
        }
        if bounds.open_above {
            set.open_highest();
        }
        set
    }

    /// The same list from its beginning, all of it.
    pub(crate) fn anew(&self) -> Self {
        Self::new(None, self.bounds, self.earliest)
    }

    /// Nothing is being asked for any more.
    pub(crate) fn release(&mut self) {
        for range in self.ranges.values_mut() {
            range.in_flight = false;
        }
    }

    /// The state as a value of this moment.
    pub(crate) fn state(&self) -> StreamState {
        let remaining = self.ranges.values().map(Range::remaining).collect();
        StreamState { accounted_range: self.accounted, remaining }
    }

    /// The time in which objects are to be expected: not before the account was made.
    pub(crate) fn expected(&self) -> Span {
        let Span { gte, lt } = self.accounted;
        Span { gte: gte.max(self.earliest.min(lt)), lt }
    }

    /// What needs not be read any more: the gaps between what remains.
    pub(crate) fn read(&self) -> Vec<Span> {
        let mut remaining: Vec<&Range> = self.ranges.values().collect();
        remaining.sort_by_key(|range| range.gte);
        let mut gaps = Vec::new();
        let mut gte = self.accounted.gte;
        for range in remaining {
            if gte < range.gte {
                gaps.push(Span { gte, lt: range.gte });
            }
            gte = gte.max(range.lt);
        }
        if gte < self.accounted.lt {
            gaps.push(Span { gte, lt: self.accounted.lt });
        }
        gaps
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The range that is to be asked for next: the one that is expected to take longest.
    pub(crate) fn waiting(&self) -> Option<RangeId> {
        let idle = self.ranges.iter().filter(|(_, range)| !range.in_flight);
        let work = |range: &Range| range.work(self.earliest);
        let longest =
            idle.max_by(|(_, a), (_, b)| work(a).total_cmp(&work(b)).then_with(|| a.lt.cmp(&b.lt)));
        longest.map(|(id, _)| *id)
    }

    /// Objects expected to be left in a range; see [`Range::work`].
    pub(crate) fn work(&self, id: RangeId) -> f64 {
        self.ranges.get(&id).map_or(0.0, |range| range.work(self.earliest))
    }

    /// Objects expected to be left in the range that takes longest.
    pub(crate) fn longest(&self) -> f64 {
        self.ranges.values().map(|range| range.work(self.earliest)).fold(0.0, f64::max)
    }

    /// How many ranges there are.
    pub(crate) fn len(&self) -> usize {
        self.ranges.len()
    }

    /// How many ranges are being asked for.
    pub(crate) fn in_flight(&self) -> usize {
        self.ranges.values().filter(|range| range.in_flight).count()
    }

    /// Marks a range as being asked for, and says what to ask.
    pub(crate) fn ask(&mut self, id: RangeId) -> Option<(Window, Position)> {
        let accounted = self.accounted;
        let range = self.ranges.get_mut(&id)?;
        range.in_flight = true;
        Some((range.window(accounted), range.position.clone()))
    }

    /// What was asked of a range is asked again.
    pub(crate) fn give_back(&mut self, id: RangeId) {
        if let Some(range) = self.ranges.get_mut(&id) {
            range.in_flight = false;
        }
    }

    /// The first object of a page with which it leaves a range for good: in order, and below it.
    pub(crate) fn below(&self, id: RangeId, sorts: &[Option<i64>]) -> Option<usize> {
        let range = self.ranges.get(&id)?;
        sorts.is_sorted_by(|newer, older| newer >= older).then(|| range.below(sorts))?
    }

    /// Takes in a page of a range whose records are emitted before the next state.
    pub(crate) fn arrived(&mut self, id: RangeId, seen: Seen<'_>) -> Step {
        let mut step = Step { finished: None, read: None, found_disorder: false };
        let Some(range) = self.ranges.get_mut(&id) else { return step };
        range.in_flight = false;
        if let Some(last_id) = seen.last_id {
            step.found_disorder = range.advance(seen.sorts, last_id.to_owned());
        }
        if !seen.has_more {
            step.finished = Some(range.span());
            self.ranges.remove(&id);
        } else if !range.disordered && range.lt < range.top {
            step.read = Some(Span { gte: range.lt, lt: range.top });
        }
        step
    }

    /// The object that a range was to go on after is gone: what is left of it is asked for anew.
    /// False when that has led nowhere too often.
    pub(crate) fn cursor_gone(&mut self, id: RangeId) -> bool {
        self.ranges.get_mut(&id).is_some_and(|range| {
            range.in_flight = false;
            range.restart()
        })
    }

    /// Objects that are expected to be left in a range that is worth splitting: nothing if there
    /// is another that is more than twice as long. That one's page arrives soon.
    pub(crate) fn work_to_share(&self, id: RangeId) -> f64 {
        let splittable = |range: &&Range| range.is_known() && range.most_parts(self.earliest) > 1;
        let work = |range: &Range| range.work(self.earliest);
        let longest = self.ranges.values().filter(splittable).map(work).fold(0.0, f64::max);
        let own = self.ranges.get(&id).filter(splittable).map_or(0.0, work);
        if own * 2.0 >= longest { own } else { 0.0 }
    }

    /// Splits a range that is not being asked for into so many parts, if it can be; see
    /// [`Range::split`]. Says into how many.
    pub(crate) fn split(&mut self, id: RangeId, parts: usize) -> usize {
        let most = MOST_RANGES.saturating_sub(self.ranges.len()).saturating_add(1);
        let range = self.ranges.get_mut(&id).filter(|range| !range.in_flight);
        let Some(range) = range else { return 1 };
        let lower = range.split(parts.min(most), self.earliest);
        let count = lower.len().saturating_add(1);
        for range in lower {
            self.ranges.insert(self.next_id, range);
            self.next_id = self.next_id.saturating_add(1);
        }
        count
    }

    /// Of the ranges that begin at the lower end, the one that reaches least far up is open below.
    fn open_lowest(&mut self) {
        let begins = self.accounted.gte;
        let lowest = self.ranges.values_mut().filter(|range| range.gte == begins);
        if let Some(range) = lowest.min_by_key(|range| range.lt) {
            range.open_below = true;
        }
    }

    /// Of the ranges that reach the upper end, the one that begins highest is open above.
    fn open_highest(&mut self) {
        let ends = self.accounted.lt;
        let highest = self.ranges.values_mut().filter(|range| range.lt == ends);
        if let Some(range) = highest.max_by_key(|range| range.gte) {
            range.open_above = true;
        }
    }
}

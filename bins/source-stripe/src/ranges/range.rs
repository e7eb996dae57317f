//! One range while it is read.

use protocol::Timestamp;

use super::density::Density;
use super::state::{Remaining, Span};

/// Where a range has to be asked for next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Position {
    /// From its upper end.
    Top,
    /// After this object.
    After(String),
}

/// The filters of a request: unix seconds, absent where the list is to be seen unfiltered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Window {
    /// `created[gte]`.
    pub(crate) gte: Option<i64>,
    /// `created[lt]`.
    pub(crate) lt: Option<i64>,
}

/// A range and what was learnt while reading it.
#[derive(Debug, Clone)]
pub(crate) struct Range {
    pub(crate) gte: Timestamp,
    pub(crate) lt: Timestamp,
    pub(crate) position: Position,
    /// Its upper end when reading it began.
    pub(crate) top: Timestamp,
    /// Whether it begins at a lower end that nobody set.
    pub(crate) open_below: bool,
    /// Whether it reaches an upper end that nobody set.
    pub(crate) open_above: bool,
    /// Whether the list was seen to be out of order.
    pub(crate) disordered: bool,
    pub(crate) in_flight: bool,
    density: Density,
    last_sort: Option<i64>,
    /// Restarts since the upper end was last cut.
    restarts: u32,
}

/// Most restarts at the same second: the objects of one can be deleted one after the other, but a
/// list that refuses every cursor is no list.
const RESTARTS: u32 = 64;

impl Range {
    pub(crate) fn new(remaining: Remaining) -> Self {
        let Remaining { gte, lt, cursor } = remaining;
        Self {
            gte,
            lt,
            position: cursor.map_or(Position::Top, Position::After),
            top: lt,
            open_below: false,
            open_above: false,
            disordered: false,
            in_flight: false,
            density: Density::default(),
            last_sort: None,
            restarts: 0,
        }
    }

    /// What the state says of it.
    pub(crate) fn remaining(&self) -> Remaining {
        let cursor = match &self.position {
            Position::Top => None,
            Position::After(id) => Some(id.clone()),
        };
        Remaining { gte: self.gte, lt: self.lt, cursor }
    }

    pub(crate) const fn span(&self) -> Span {
        Span { gte: self.gte, lt: self.top }
    }

    /// What to ask for next. A request with a cursor carries no upper bound: the cursor is the
    /// position, and an object out of order is seen, not filtered away.
    pub(crate) fn window(&self, accounted: Span) -> Window {
        let to_open_end = self.open_above && self.lt >= accounted.lt;
        let bounded = self.position == Position::Top && !to_open_end;
        Window {
            gte: (!self.open_below).then(|| self.gte.seconds_ceil()),
            lt: bounded.then(|| self.lt.seconds_ceil()),
        }
    }

    /// Moves behind the last of the objects that were emitted. True when their order was found to
    /// be wrong for the first time.
    pub(crate) fn advance(&mut self, sorts: &[Option<i64>], last_id: String) -> bool {
        let was_disordered = self.disordered;
        self.density.learn(self.lt.seconds_ceil(), sorts);
        for sort in sorts.iter().flatten() {
            self.disordered |= self.last_sort.is_some_and(|last| *sort > last);
            self.last_sort = Some(*sort);
        }
        self.position = Position::After(last_id);
        if let (false, Some(Some(last))) = (self.disordered, sorts.last()) {
            let seen_from = Timestamp::from_seconds(last.saturating_add(1));
            self.restarts = if seen_from < self.lt { 0 } else { self.restarts };
            self.lt = self.lt.min(seen_from);
        }
        self.disordered && !was_disordered
    }

    /// Begins again at what is left of the range, because its cursor is gone. False when that has
    /// led nowhere too often.
    pub(crate) fn restart(&mut self) -> bool {
        self.position = Position::Top;
        self.last_sort = None;
        self.restarts = self.restarts.saturating_add(1);
        self.restarts <= RESTARTS
    }

    /// The first of these objects that is older than the range, if its list was in order so far.
    pub(crate) fn below(&self, sorts: &[Option<i64>]) -> Option<usize> {
        let is_below = |sort: &i64| Timestamp::from_seconds(*sort) < self.gte;
        let rises = matches!((self.last_sort, sorts.first()), (Some(last), Some(Some(first))) if *first > last);
        if self.open_below || self.disordered || rises {
            return None;
        }
        sorts.iter().position(|sort| sort.as_ref().is_some_and(is_below))
    }

    /// Whether a page of it, or of what it was cut from, was seen.
    pub(crate) fn is_known(&self) -> bool {
        self.density.is_known()
    }

    /// How much is expected to be left of it; see [`Density::work`].
    pub(crate) fn work(&self, earliest: Timestamp) -> f64 {
        self.density.work(self.seconds_left(earliest))
    }

    /// In how many parts it can be cut: of two seconds at least, and only if its list is in order.
    pub(crate) fn most_parts(&self, earliest: Timestamp) -> usize {
        if self.disordered {
            return 1;
        }
        usize::try_from(self.seconds_left(earliest) / 2).unwrap_or(usize::MAX).max(1)
    }

    /// Cuts into parts of the same length in whole seconds, not below `earliest`: this one keeps
    /// the newest and its position, the others are returned, newest first.
    pub(crate) fn split(&mut self, parts: usize, earliest: Timestamp) -> Vec<Self> {
        let parts = parts.min(self.most_parts(earliest));
        let low = self.gte.max(earliest).seconds_ceil();
        let span = i128::from(self.seconds_left(earliest));
        let mut lower = Vec::new();
        for part in (1..parts).rev() {
            let (part, parts) = (i128::try_from(part), i128::try_from(parts));
            let (Ok(part), Ok(parts)) = (part, parts) else { return lower };
            let from_low = i64::try_from(span * part / parts).unwrap_or(i64::MAX);
            let at = Timestamp::from_seconds(low.saturating_add(from_low));
            let below = lower.last_mut().unwrap_or(&mut *self).cut(at);
            lower.push(below);
        }
        lower
    }

    /// Gives away what lies below `middle`.
    fn cut(&mut self, middle: Timestamp) -> Self {
        let mut lower = Self::new(Remaining { gte: self.gte, lt: middle, cursor: None });
        lower.open_below = self.open_below;
        lower.density = self.density;
        self.open_below = false;
        self.gte = middle;
        lower
    }

    fn seconds_left(&self, earliest: Timestamp) -> i64 {
        let low = self.gte.max(earliest).seconds_ceil();
        self.lt.seconds_floor().saturating_sub(low).max(0)
    }
}

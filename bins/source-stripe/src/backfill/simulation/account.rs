//! Accounts that exist only as a rule: as many objects as one likes, none of them stored.

use std::time::Duration;

use crate::page::Page;

/// Seconds over which the objects of an account were made.
pub(super) const SPAN: i64 = 3 * 365 * 86_400;
/// Stripe's time when a run begins, unix seconds.
pub(super) const BEGINNING: i64 = 1_767_225_600;
/// Bursts in a history that has them, and how long each lasts.
const BURSTS: f64 = 40.0;
const BURST_SECONDS: f64 = 3_600.0;

/// What a list is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Query {
    pub(super) gte: Option<i64>,
    pub(super) lt: Option<i64>,
    pub(super) after: Option<u64>,
    pub(super) limit: usize,
}

/// A list of Stripe's. None where the cursor is of no object.
pub(super) trait Account {
    fn list(&mut self, query: &Query, moment: Duration) -> Option<Page>;
}

/// How creation times spread, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spread {
    Uniform,
    Growth,
    Skewed,
    Bursts,
    OneSecond,
}

/// So many objects, spread so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Computed {
    pub(super) objects: u64,
    pub(super) spread: Spread,
}

impl Computed {
    /// When the object at a place of the list was made; the newest stands at 0.
    pub(super) fn created(&self, place: u64) -> i64 {
        let share = (place as f64 + 0.5) / self.objects as f64;
        let span = SPAN as f64;
        let age = match self.spread {
            Spread::Uniform => share * span,
            Spread::Growth => (1.0 - (1.0 - share).sqrt()) * span,
            Spread::Skewed => share.powi(8) * span,
            Spread::OneSecond => 0.0,
            Spread::Bursts => {
                let at = share * BURSTS;
                (at.floor() + 0.5) / BURSTS * span + at.fract() * BURST_SECONDS
            }
        };
        #[expect(clippy::cast_possible_truncation, reason = "a span of years fits")]
        let age = age as i64;
        BEGINNING - 3 - age
    }

    /// How many objects were made at `second` or later.
    fn since(&self, second: i64) -> u64 {
        let (mut low, mut high) = (0, self.objects);
        while low < high {
            let middle = low.midpoint(high);
            if self.created(middle) >= second { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// Objects of the longest second: they can only be read one page after the other.
    pub(super) fn longest_second(&self) -> u64 {
        let (mut at, mut longest) = (0, 0);
        while at < self.objects {
            let end = self.since(self.created(at));
            longest = longest.max(end - at);
            // In these spreads the longest second is the first, or all are alike.
            at = if self.spread == Spread::Bursts { end } else { self.objects };
        }
        longest
    }
}

impl Account for Computed {
    fn list(&mut self, query: &Query, _: Duration) -> Option<Page> {
        let top = query.lt.map_or(0, |lt| self.since(lt));
        let from = query.after.map_or(top, |after| top.max(after + 1));
        let end = query.gte.map_or(self.objects, |gte| self.since(gte)).max(from);
        let to = end.min(from + u64::try_from(query.limit).unwrap());
        let objects: Vec<(u64, i64)> =
            (from..to).map(|place| (place, self.created(place))).collect();
        Some(Page::of(&objects, to < end))
    }
}

//! What of a list is to be read now, by a run that begins and by one that goes on. Pure.

use protocol::{ConfiguredStream, TimeRange, Timestamp};
use stripe_api::{Freshness, StreamFacts};

use super::start::Wishes;
use crate::ranges::{Bounds, RangeSet, StreamState};

/// A list is not read again sooner than this while reading goes on, in seconds.
const LEAST_SECONDS: i64 = 60;

/// What decides it beside what was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// How what is new in the stream is told.
    freshness: Freshness,
    /// Whether only all of the list tells it, though the list could be asked for a time: that is
    /// the time of the parents.
    is_whole: bool,
    /// The time that the owner asks for.
    wanted: TimeRange,
    /// When the account was made.
    earliest: Timestamp,
    relist_every: i64,
}

impl Terms {
    /// Those of a stream of the catalog: how what is new in it is told, and whether it is read parent
    /// by parent.
    pub(crate) fn new(
        configured: &ConfiguredStream,
        (freshness, is_keyed): (Freshness, bool),
        wishes: &Wishes,
    ) -> Self {
        let is_whole = is_keyed && freshness == Freshness::Relist;
        let (wanted, relist_every) = (configured.wanted_time(), wishes.relist_every);
        let earliest = wishes.account_created.unwrap_or(Timestamp::EPOCH);
        Self { freshness, is_whole, wanted, earliest, relist_every }
    }

    /// What is left at `now` of Stripe's clock, after what was read before.
    pub(crate) fn left_at(
        &self,
        now: Timestamp,
        list: &StreamFacts,
        earlier: StreamState,
    ) -> RangeSet {
        self.left(list, &[Some(earlier)], Bounds::new(self.wanted, now))
    }

    /// What is left of the list within these bounds, after what earlier runs have read of it, for
    /// one stream or another that comes from it.
    pub(crate) fn left(
        &self,
        list: &StreamFacts,
        earlier: &[Option<StreamState>],
        bounds: Bounds,
    ) -> RangeSet {
        let first = earlier.first().and_then(Option::as_ref);
        if self.is_whole {
            return self.whole_again(list, first, bounds);
        }
        if list.takes_time() {
            let family: Vec<Option<&StreamState>> = earlier.iter().map(Option::as_ref).collect();
            return RangeSet::of_family(&family, bounds, self.earliest);
        }
        if list.sort_field.is_some() && list.freshness != Freshness::Relist {
            return RangeSet::new(first, bounds.whole_list(), self.earliest);
        }
        self.whole_again(list, first, bounds)
    }

    /// All of it, now and then.
    fn whole_again(
        &self,
        list: &StreamFacts,
        earlier: Option<&StreamState>,
        bounds: Bounds,
    ) -> RangeSet {
        let mut bounds = if list.takes_time() { bounds } else { bounds.whole_list() };
        let Some(earlier) = earlier else { return RangeSet::new(None, bounds, self.earliest) };
        // One that is being read is read to its end first: its state goes on to say when that began.
        let listed = earlier.accounted_range.lt;
        let age = bounds.span.lt.millis().saturating_sub(listed.millis());
        if earlier.remaining.is_empty() && age >= self.relist_every.saturating_mul(1000) {
            return RangeSet::new(None, bounds, self.earliest);
        }
        let most = if list.takes_time() { bounds.span.lt } else { listed };
        bounds.span.lt = listed.min(most).max(bounds.span.gte);
        RangeSet::new(Some(earlier), bounds, self.earliest)
    }

    /// When the list is due again that was read up to a moment, where no event tells what is new.
    pub(crate) fn due_after(&self, read: Timestamp) -> Option<Timestamp> {
        let wait = self.relist_every.max(LEAST_SECONDS).saturating_mul(1000);
        let due = Timestamp::from_millis(read.millis().saturating_add(wait));
        (self.freshness != Freshness::Events).then_some(due)
    }
}

//! From which moment on the changes of each stream have to be read. Pure.

use std::collections::{BTreeMap, BTreeSet};

use protocol::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backfill::Manner;

/// For how long Stripe keeps events (<https://docs.stripe.com/api/events>), in seconds.
pub(crate) const KEPT_SECONDS: i64 = 30 * 86_400;

/// State of the source as a whole. Times are unix seconds of Stripe's clock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GlobalState {
    /// Changes up to this moment are in the copy; later ones are still to be read.
    pub(crate) events_cursor: i64,
    /// The same for each stream that has a place of its own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) lagging: BTreeMap<String, i64>,
    /// Changes that Stripe does not know any more, until the lists were read again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gap: Option<Gap>,
    /// Streams of which something may be in the copy, also where no state of theirs was kept.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) begun: BTreeSet<String>,
    /// How the copy was filled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) filled: Option<Manner>,
    /// Rises with each state that is emitted, so that each is another.
    #[serde(default)]
    pub(crate) seq: u64,
}

/// A time whose changes are lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gap {
    /// The last moment whose changes were read.
    pub(crate) from: i64,
    /// The moment from which on changes are read again.
    pub(crate) to: i64,
    /// Streams whose lists are still to be begun anew.
    pub(crate) streams: BTreeSet<String>,
}

/// Words about a time whose changes are lost.
pub(crate) fn untold(from: Timestamp, to: Timestamp) -> String {
    format!(
        "Stripe no longer tells what changed between {from} and {to}: it keeps events for 30 days"
    )
}

impl GlobalState {
    /// A state in which everything up to a moment is known.
    pub(crate) fn at(cursor: i64, filled: Manner) -> Self {
        Self { events_cursor: cursor, filled: Some(filled), ..Self::default() }
    }

    /// The moment from which on a stream's changes have to be read.
    pub(crate) fn place(&self, stream: &str) -> i64 {
        self.lagging.get(stream).copied().unwrap_or(self.events_cursor)
    }

    /// A stream takes no part from now on: it keeps its place.
    pub(crate) fn hold(&mut self, stream: &str) {
        let cursor = self.events_cursor;
        self.lagging.entry(stream.to_owned()).or_insert(cursor);
    }

    /// A run begins at `now`. Streams that it leaves out keep their place; those of which nothing
    /// is known yet are read as a whole, so that only changes from now on matter.
    pub(crate) fn begin<'a>(
        &mut self,
        left_out: impl IntoIterator<Item = &'a str>,
        fresh: impl IntoIterator<Item = &'a str>,
        now: i64,
    ) {
        for stream in left_out {
            self.hold(stream);
        }
        // What was read a moment ago must not count as lost with an old cursor.
        let is_old = self.events_cursor < now.saturating_sub(KEPT_SECONDS / 2);
        for stream in fresh {
            self.lagging.remove(stream);
            if is_old {
                self.lagging.insert(stream.to_owned(), now);
            }
        }
    }

    /// Streams of a run whose place is after the cursor wait for it there. If all of them do, the
    /// cursor comes to them: nobody needs what lies before.
    pub(crate) fn settle<'a>(&mut self, streams: impl IntoIterator<Item = &'a str> + Clone) {
        let places = || streams.clone().into_iter().map(|stream| self.place(stream));
        if let Some(least) = places().min() {
            self.advance(least);
        }
        let cursor = self.events_cursor;
        for stream in streams {
            if self.lagging.get(stream).is_some_and(|place| *place >= cursor) {
                self.lagging.remove(stream);
            }
        }
    }

    /// The changes of all streams without a place of their own are in the copy up to a moment.
    pub(crate) fn advance(&mut self, to: i64) {
        self.events_cursor = self.events_cursor.max(to);
    }

    /// The changes of a lagging stream are in the copy up to a moment.
    pub(crate) fn catch_up(&mut self, stream: &str, to: i64) {
        let Some(place) = self.lagging.get_mut(stream) else { return };
        *place = to.max(*place);
        if *place >= self.events_cursor {
            self.lagging.remove(stream);
        }
    }

    /// The streams among these whose next changes Stripe does not know any more.
    pub(crate) fn overdue<'a>(
        &self,
        streams: impl IntoIterator<Item = &'a str>,
        now: i64,
    ) -> Vec<&'a str> {
        let limit = now.saturating_sub(KEPT_SECONDS);
        streams.into_iter().filter(|stream| self.place(stream) < limit).collect()
    }

    /// Whether Stripe does not know any more what happened right after the cursor.
    pub(crate) fn is_overdue(&self, now: i64) -> bool {
        self.events_cursor < now.saturating_sub(KEPT_SECONDS)
    }

    /// Notes that the changes of these streams since their places are lost; from `now` on they are
    /// read again, and their lists from the beginning.
    pub(crate) fn open_gap(&mut self, lost: &[&str], now: i64) {
        let places = lost.iter().map(|stream| self.place(stream));
        let Some(from) = places.min() else { return };
        if self.is_overdue(now) {
            for stream in lost {
                self.hold(stream);
            }
            self.advance(now);
        }
        let gap = self.gap.get_or_insert(Gap { from, to: now, streams: BTreeSet::new() });
        gap.from = gap.from.min(from);
        gap.to = now;
        gap.streams.extend(lost.iter().map(|stream| (*stream).to_owned()));
    }

    /// The list of a stream in the gap is read anew from here on; its state says so already.
    pub(crate) fn relist(&mut self, stream: &str) {
        if let Some(gap) = &mut self.gap {
            gap.streams.remove(stream);
            self.lagging.remove(stream);
        }
    }

    /// The lists of the gap were read; true if that closes it.
    pub(crate) fn close_gap(&mut self) -> bool {
        let is_repaired = self.gap.as_ref().is_some_and(|gap| gap.streams.is_empty());
        if is_repaired {
            self.gap = None;
        }
        is_repaired
    }
}

#[cfg(test)]
#[path = "places_tests.rs"]
mod tests;

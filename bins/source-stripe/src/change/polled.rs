//! Changes that are polled: slice after slice, each ended by the states that cover it.

use std::collections::BTreeSet;
use std::sync::Arc;

use connector::{Emitter, Error};

use super::agenda::{Member, Reading};
use super::changes::{Changes, Waiter};
use super::collapse::{Changed, Key, collapse};
use super::event::Event;
use super::feed::Goes;
use super::gather::{Gathered, Told, gather};
use super::jobs::Job;
use super::places::GlobalState;
use super::slices::Slice;
use crate::backfill::{self, Backfill};
use crate::errors::Failure;

/// A slice that was read, and whose records are being made.
pub(super) struct SliceUnderWay {
    reading: Reading,
    slice: Slice,
    begun: i64,
    count: usize,
    pub(super) left: usize,
}

impl<T: Send + Sync + 'static> Changes<T> {
    /// Whether a slice is being read or taken in.
    pub(crate) fn is_polling(&self) -> bool {
        self.slice.is_some() || !self.tasks.is_empty()
    }

    /// Begins to read the next part of the events for the streams that take part.
    pub(crate) fn poll(&mut self, backfill: &Backfill) {
        let members: Vec<Member<'_>> = members(backfill).collect();
        let reading = Reading::next(&self.global, &members, self.overlap);
        self.read_slice(reading);
    }

    fn read_slice(&mut self, reading: Reading) {
        let slice = reading.slices.next(self.now());
        let client = Arc::clone(&self.client);
        self.tasks.spawn(async move {
            let gathered = gather(&client, &reading.types, slice).await;
            Told { reading, slice, gathered }
        });
    }

    /// Takes in a slice: emits what can be emitted at once, and has the rest made.
    ///
    /// # Errors
    ///
    /// When nobody reads what is emitted.
    pub(crate) async fn take_in(
        &mut self,
        mut reading: Reading,
        slice: Slice,
        gathered: Gathered,
        (backfill, out): (&mut Backfill, &mut Emitter),
    ) -> Result<(), Error> {
        if let Some(oldest) = gathered.too_many {
            let seen = gathered.events.len();
            reading.slices.too_many(slice, seen, oldest, gathered.begun);
            self.read_slice(reading);
            return Ok(());
        }
        self.tally.poison(gathered.poison.0, gathered.poison.1);
        let (begun, count) = (gathered.begun, gathered.events.len());
        let changed = self.changed(&reading, gathered.events, backfill);
        self.slice = Some(SliceUnderWay { reading, slice, begun, count, left: 0 });
        for changed in changed {
            let doubt = self.doubt(&changed);
            let job = Job::of(changed, doubt, Waiter::Slice);
            if self.take_in_one(job, backfill, out).await?.is_none()
                && let Some(slice) = &mut self.slice
            {
                slice.left = slice.left.saturating_add(1);
            }
        }
        Ok(())
    }

    /// The objects of the slice that changed, and were not taken in before.
    fn changed(
        &mut self,
        reading: &Reading,
        events: Vec<Event>,
        backfill: &Backfill,
    ) -> Vec<Changed> {
        let mut ours: Vec<(Key, Event)> = Vec::new();
        let mut new: BTreeSet<Key> = BTreeSet::new();
        for event in events {
            for key in self.keys_in(reading, &event, backfill) {
                let is_new = self.memory.settle(Some(key.0), &event);
                new.extend(is_new.then(|| key.clone()));
                ours.push((key, event.clone()));
            }
        }
        ours.retain(|(key, _)| new.contains(key));
        collapse(ours, self.feeds.lists())
    }

    /// The objects of an event in the streams that a reading is for. One that is left aside is
    /// counted once, however often readings overlap.
    fn keys_in(&mut self, reading: &Reading, event: &Event, backfill: &Backfill) -> Vec<Key> {
        let mut keys = match self.feeds.sort(event) {
            Goes::To(keys) => keys,
            Goes::Nowhere => Vec::new(),
            Goes::Dropped(why) => {
                if self.memory.settle(None, event) {
                    self.tally.drop_one(why);
                }
                Vec::new()
            }
        };
        let stream = |key: &Key| backfill.streams().get(key.0);
        keys.retain(|key| {
            stream(key).is_some_and(|plan| plan.takes_changes() && reading.is_for(&plan.name))
        });
        keys
    }

    /// Ends the slice under way if all its records were emitted: moves the places, and emits the
    /// states. Says whether it was the last one of the poll.
    ///
    /// # Errors
    ///
    /// When nobody reads what is emitted.
    pub(crate) async fn end_slice(
        &mut self,
        backfill: &Backfill,
        out: &mut Emitter,
    ) -> Result<Option<bool>, Error> {
        let Some(under_way) = self.slice.take_if(|slice| slice.left == 0) else { return Ok(None) };
        let SliceUnderWay { mut reading, slice, begun, count, .. } = under_way;
        let is_last = reading.slices.ends_with(slice);
        let to = reading.slices.done(slice, count, begun);
        hold(&mut self.global, backfill);
        // Not past an event whose object is to be read again: whoever comes after us reads it.
        let known = self.jobs.oldest_unsure().map_or(to, |unsure| unsure.min(to));
        if reading.is_main() {
            self.global.advance(known);
        }
        let is_active = |name: &str| members(backfill).any(|member| member.name == name);
        for name in reading.lagging.iter().filter(|name| is_active(name)) {
            self.global.catch_up(name, to);
        }
        self.memory.forget(known.saturating_sub(self.overlap), begun);
        self.commit(backfill, out).await?;
        if is_last && reading.is_main() {
            return Ok(Some(true));
        }
        if is_last {
            self.poll(backfill);
        } else {
            self.read_slice(reading);
        }
        Ok(Some(false))
    }

    /// Asks for one event, only to see whether they can be read. Gives the time of asking.
    ///
    /// # Errors
    ///
    /// When they cannot.
    pub(crate) async fn probe(&self) -> Result<i64, Failure> {
        let now = self.now();
        let slice = Slice { gte: now, lt: None, is_shortest: true };
        gather(&self.client, &[], slice).await.map(|gathered| gathered.begun)
    }
}

/// The streams that take part in a poll.
pub(crate) fn members(backfill: &Backfill) -> impl Iterator<Item = Member<'_>> {
    let streams = backfill.streams().iter().filter(|stream| stream.takes_changes());
    streams.map(|stream| Member { name: &stream.name, types: stream.event_types() })
}

/// Streams that were given up keep their place, if the copy holds anything of them.
pub(crate) fn hold(global: &mut GlobalState, backfill: &Backfill) {
    let is_held = |stream: &&backfill::StreamPlan| {
        stream.is_known && !stream.event_types().is_empty() && !stream.takes_changes()
    };
    for stream in backfill.streams().iter().filter(is_held) {
        global.hold(&stream.name);
    }
}

//! Changes on their way: from events that were polled or brought to emitted records.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use connector::{Emitter, Error};
use protocol::Timestamp;
use tokio::task::JoinSet;

use super::collapse::{Changed, Key};
use super::event::Event;
use super::feed::{Doubt, Feeds, Goes, Rules, Takes};
use super::gather::{Told, now};
use super::jobs::{Job, Jobs, Made};
use super::make::{Maker, Mould, Records};
use super::memory::Memory;
use super::places::GlobalState;
use super::polled::SliceUnderWay;
use super::tally::Tally;
use crate::backfill::{self, Backfill, Frames};
use crate::client::Client;
use crate::config::{Mismatch, Settings};
use crate::errors::Failure;
use crate::page::Page;

/// An event that is older than this when it is brought is not trusted, in seconds.
const LATE_SECONDS: i64 = 60;

/// Changes of the streams of a run.
pub(crate) struct Changes<T> {
    /// From where on changes have to be read.
    pub(crate) global: GlobalState,
    /// What was left aside.
    pub(crate) tally: Tally,
    /// Asks Stripe.
    pub(crate) client: Arc<Client>,
    pub(super) feeds: Feeds,
    pub(super) memory: Memory,
    pub(super) tasks: JoinSet<Told>,
    pub(super) slice: Option<SliceUnderWay>,
    pub(super) overlap: i64,
    maker: Maker,
    moulds: Vec<Mould>,
    pub(super) jobs: Jobs<Waiter<T>>,
    /// Streams with records that no state covers yet.
    touched: BTreeSet<usize>,
    /// Objects whose records were emitted so far.
    pub(crate) record_count: u64,
}

/// Who waits for the records of an object.
#[derive(Debug)]
pub(super) enum Waiter<T> {
    /// The slice that is being taken in.
    Slice,
    /// Whoever brought the event, which may be about several objects.
    Bringer(Arc<T>),
}

/// What there is to be done next.
pub(crate) enum News<T> {
    /// A slice of events was read.
    Told(Box<Told>),
    /// The records of an object were made.
    Made(Box<MadeFor<T>>),
}

/// Records that were made, and who waits for them.
pub(crate) struct MadeFor<T>(Made<Waiter<T>>);

/// What became of an event that was brought.
pub(crate) enum Taken<T> {
    /// Its records were emitted; whoever brought it waits for the next state.
    Emitted(T),
    /// Its records are being made.
    Later,
    /// It is none of ours.
    NotOurs(T),
}

impl<T: Send + Sync + 'static> Changes<T> {
    /// Nothing yet; `account_id` is the account that is read.
    pub(crate) fn new(
        global: GlobalState,
        client: &Arc<Client>,
        backfill: &Backfill,
        catalog: &protocol::ConfiguredCatalog,
        (account_id, settings): (&str, &Settings),
    ) -> Self {
        let rules = Rules {
            account_id: account_id.to_owned(),
            api_version: settings.api_version.clone(),
            accept_versions: settings.changing.mismatch == Mismatch::Accept,
            revalidate: settings.changing.revalidate.clone(),
        };
        let streams = backfill.streams();
        let takes = streams.iter().map(|stream| Takes {
            name: stream.name.clone(),
            facts: stream.facts,
            lists: stream.children.iter().map(|child| child.list.clone()).collect(),
            is_bounded: stream.keyed.is_none(),
        });
        let mould = |stream: &backfill::StreamPlan| Mould {
            facts: stream.facts,
            frames: Arc::new(Frames::of_changes(stream, account_id)),
        };
        Self {
            global,
            tally: Tally::default(),
            client: Arc::clone(client),
            feeds: Feeds::new(takes, catalog, rules),
            maker: Maker::new(Arc::clone(client), settings.wishes.expand_lists),
            moulds: streams.iter().map(mould).collect(),
            jobs: Jobs::new(),
            memory: Memory::default(),
            tasks: JoinSet::new(),
            slice: None,
            touched: BTreeSet::new(),
            overlap: settings.changing.overlap,
            record_count: 0,
        }
    }

    /// Whether records of objects are being made for somebody.
    pub(crate) fn is_making(&self) -> bool {
        !self.jobs.is_idle()
    }

    /// Whether objects are to be read again because lists inside them may have lagged.
    pub(crate) fn is_unsure(&self) -> bool {
        !self.jobs.is_sure()
    }

    /// Stripe's time, unix seconds.
    pub(crate) fn now(&self) -> i64 {
        now(&self.client)
    }

    /// Begins what may be begun; how long until more may be.
    pub(crate) fn begin_jobs(&mut self) -> Option<Duration> {
        let now = self.client.now().unwrap_or(Timestamp::EPOCH);
        self.jobs.begin(now, &self.maker, &self.moulds)
    }

    /// What comes next; waits for ever if nothing is under way. It may be dropped while it waits.
    ///
    /// # Errors
    ///
    /// When a task was lost.
    pub(crate) async fn news(&mut self) -> Result<News<T>, Error> {
        tokio::select! {
            Some(told) = self.tasks.join_next() => {
                let lost = |error| Error::internal("reading the changes").caused_by(error);
                Ok(News::Told(Box::new(told.map_err(lost)?)))
            }
            Some(made) = self.jobs.done() => Ok(News::Made(Box::new(MadeFor(made?)))),
            else => std::future::pending().await,
        }
    }

    pub(super) fn doubt(&mut self, changed: &Changed) -> Option<Doubt> {
        let (key, event) = (&changed.key, &changed.event);
        let is_tied = self.memory.note(key, event.created, &changed.ids) || changed.is_tied;
        if is_tied && self.feeds.can_fetch(key.0) {
            return Some(Doubt::Tied);
        }
        self.feeds.distrusts(key.0, event)
    }

    /// Emits the records of a job at once and gives it back, or has them made.
    pub(super) async fn take_in_one(
        &mut self,
        job: Job<Waiter<T>>,
        backfill: &mut Backfill,
        out: &mut Emitter,
    ) -> Result<Option<Job<Waiter<T>>>, Error> {
        let can_fetch = self.feeds.can_fetch(job.key.0);
        let Some(mould) = self.moulds.get(job.key.0) else { return Ok(Some(job)) };
        if job.doubt.is_none() && !self.jobs.has(&job.key) {
            match self.maker.at_once(mould, &job.event) {
                Ok(Some(page)) => {
                    self.emit(job.key.0, &page, backfill, out).await?;
                    return Ok(Some(job));
                }
                Ok(None) => {}
                Err(why) => {
                    self.tally.poison(1, Some(why.to_string()));
                    return Ok(Some(job));
                }
            }
        }
        self.jobs.add(job, can_fetch);
        Ok(None)
    }

    async fn emit(
        &mut self,
        index: usize,
        page: &Page,
        backfill: &mut Backfill,
        out: &mut Emitter,
    ) -> Result<(), Error> {
        let Some(stream) = backfill.streams_mut().get_mut(index) else { return Ok(()) };
        backfill::tell_start(stream, out).await?;
        backfill::records(stream, page, page.len(), out).await?;
        stream.is_known = true;
        let name = stream.name.clone();
        self.record_count = self.record_count.saturating_add(1);
        backfill.note_left_cut(&name, page);
        self.touched.insert(index);
        Ok(())
    }

    /// Emits the records that were made; gives those who brought their events, and what failed.
    ///
    /// # Errors
    ///
    /// When nobody reads what is emitted.
    pub(crate) async fn take_in_made(
        &mut self,
        MadeFor(made): MadeFor<T>,
        backfill: &mut Backfill,
        out: &mut Emitter,
    ) -> Result<(Vec<T>, Option<(usize, Failure)>), Error> {
        let Made { mut job, records } = made;
        let is_over = self.jobs.has_room() || !records.as_ref().is_ok_and(|made| made.may_lag);
        let mut bringers = Vec::new();
        let tickets = if is_over { std::mem::take(&mut job.tickets) } else { Vec::new() };
        for ticket in tickets {
            match (ticket, &mut self.slice) {
                (Waiter::Slice, Some(slice)) => slice.left = slice.left.saturating_sub(1),
                (Waiter::Slice, None) => {}
                (Waiter::Bringer(bringer), _) => bringers.extend(Arc::into_inner(bringer)),
            }
        }
        let index = job.key.0;
        match records {
            Ok(Records { page, may_lag }) => {
                if let Some(doubt) = job.doubt {
                    self.tally.fetch(doubt);
                    self.memory.settle(Some(index), &job.event);
                }
                self.emit(index, &page, backfill, out).await?;
                if may_lag {
                    self.jobs.add_again(job, self.feeds.can_fetch(index));
                }
                Ok((bringers, None))
            }
            Err(failure) => Ok((bringers, Some((index, failure)))),
        }
    }

    /// Takes in what an event tells that was brought; `bringer` waits to hear what becomes of all of
    /// it. `is_prompt` says that it is as new as an event can be, however old it is.
    ///
    /// # Errors
    ///
    /// When nobody reads what is emitted.
    pub(crate) async fn take_in_brought(
        &mut self,
        events: Vec<Event>,
        bringer: T,
        is_prompt: bool,
        (backfill, out): (&mut Backfill, &mut Emitter),
    ) -> Result<Taken<T>, Error> {
        let (bringer, mut is_ours) = (Arc::new(bringer), false);
        for event in events {
            for key in self.keys(&event, backfill) {
                is_ours = true;
                let changed = Changed::by(key, event.clone());
                let doubt = self.doubt_brought(&changed, is_prompt);
                let job = Job::of(changed, doubt, Waiter::Bringer(Arc::clone(&bringer)));
                drop(self.take_in_one(job, backfill, out).await?);
            }
        }
        // Objects that have to be asked for keep it until the last of them is there.
        Ok(match Arc::into_inner(bringer) {
            Some(bringer) if is_ours => Taken::Emitted(bringer),
            Some(bringer) => Taken::NotOurs(bringer),
            None => Taken::Later,
        })
    }

    /// The objects of an event that was brought; one that is left aside is counted.
    fn keys(&mut self, event: &Event, backfill: &Backfill) -> Vec<Key> {
        let mut keys = match self.feeds.sort(event) {
            Goes::To(keys) => keys,
            Goes::Nowhere => Vec::new(),
            Goes::Dropped(why) => {
                self.tally.drop_one(why);
                Vec::new()
            }
        };
        let fate = |key: &Key| backfill.streams().get(key.0).map(|stream| stream.fate);
        keys.retain(|key| fate(key) != Some(backfill::Fate::Skipped));
        keys
    }

    fn doubt_brought(&mut self, changed: &Changed, is_prompt: bool) -> Option<Doubt> {
        let oldest = self.now().saturating_sub(LATE_SECONDS);
        let is_late = !is_prompt && changed.event.created < oldest;
        let late = (is_late && self.feeds.can_fetch(changed.key.0)).then_some(Doubt::Late);
        self.doubt(changed).max(late)
    }

    /// An event that could not be understood.
    pub(crate) fn poison(&mut self, why: String) {
        self.tally.poison(1, Some(why));
    }

    /// Emits the state of each stream that has records which no state covers, and then that of the
    /// whole, which is another each time. Gives its number.
    ///
    /// # Errors
    ///
    /// When nobody reads what is emitted.
    pub(crate) async fn commit(
        &mut self,
        backfill: &Backfill,
        out: &mut Emitter,
    ) -> Result<u64, Error> {
        for index in std::mem::take(&mut self.touched) {
            if let Some(stream) = backfill.streams().get(index) {
                backfill::tell_state(stream, out).await?;
            }
        }
        self.global.seq = self.global.seq.saturating_add(1);
        out.global_state(&self.global).await?;
        Ok(self.global.seq)
    }

    /// Whether there are records that no state covers.
    pub(crate) fn is_uncovered(&self) -> bool {
        !self.touched.is_empty()
    }

    /// Drops what is under way: it is read again later.
    pub(crate) fn break_off(&mut self) {
        self.tasks.abort_all();
        self.jobs = Jobs::new();
        self.slice = None;
    }

    /// A stream was given up: what was read for it has to be read again.
    pub(crate) fn unsettle(&mut self) {
        self.memory = Memory::default();
    }
}

//! Objects whose records have to be asked for: one question at a time for each object, many side by
//! side, none before its time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use connector::Error;
use protocol::Timestamp;
use tokio::task::JoinSet;

use super::collapse::{Changed, Key};
use super::event::Event;
use super::feed::Doubt;
use super::make::{Maker, Mould, Records, SHOWN_SECONDS};
use crate::errors::Failure;

/// Objects that are asked for at the same time.
const AT_ONCE: usize = 16;

/// Milliseconds after the beginning of its second at which a tied object is asked for: so that the
/// answer is newer than every event of that second.
const TIED_MILLIS: i64 = 3_010;
/// The same for an object of which an event came late.
const LATE_MILLIS: i64 = 2_010;
/// The same for an object whose lists may have lagged when it was read.
const AGAIN_MILLIS: i64 = SHOWN_SECONDS * 1_000 + 10;

/// An object to make records of.
#[derive(Debug)]
pub(crate) struct Job<T> {
    /// Which object.
    pub(crate) key: Key,
    /// The newest event that tells of it.
    pub(crate) event: Event,
    /// Why the event is not enough.
    pub(crate) doubt: Option<Doubt>,
    /// Who waits for it.
    pub(crate) tickets: Vec<T>,
    /// Whether its records were made before, when lists inside the object may have lagged.
    pub(crate) is_again: bool,
}

impl<T> Job<T> {
    /// What happened to an object, for one that waits for it.
    pub(crate) fn of(changed: Changed, doubt: Option<Doubt>, ticket: T) -> Self {
        let Changed { key, event, .. } = changed;
        Self { key, event, doubt, tickets: vec![ticket], is_again: false }
    }
}

/// A job that was done.
pub(crate) struct Made<T> {
    /// The job.
    pub(crate) job: Job<T>,
    /// The records.
    pub(crate) records: Result<Records, Failure>,
}

/// The jobs that wait and those under way.
pub(crate) struct Jobs<T> {
    waiting: BTreeMap<Key, Job<T>>,
    running: BTreeSet<Key>,
    tasks: JoinSet<Made<T>>,
    /// Objects whose lists may have lagged when they were read, and the second of their event.
    unsure: BTreeMap<Key, i64>,
}

impl<T: Send + 'static> Jobs<T> {
    /// None.
    pub(crate) fn new() -> Self {
        Self {
            waiting: BTreeMap::new(),
            running: BTreeSet::new(),
            tasks: JoinSet::new(),
            unsure: BTreeMap::new(),
        }
    }

    /// Whether something is asked about this object, or will be.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.waiting.contains_key(key) || self.running.contains(key)
    }

    /// Whether nobody waits for any.
    pub(crate) fn is_idle(&self) -> bool {
        self.tasks.is_empty() && self.waiting.values().all(|job| job.is_again)
    }

    /// Whether every object was read when its lists showed all that its event tells.
    pub(crate) fn is_sure(&self) -> bool {
        self.unsure.is_empty()
    }

    /// The second of the oldest event of an object that is to be read again.
    pub(crate) fn oldest_unsure(&self) -> Option<i64> {
        self.unsure.values().min().copied()
    }

    /// Adds a job. One that waits for the same object is joined with it: the newer event counts,
    /// and two of one second are not trusted. `can_fetch` says whether the object can be asked for.
    pub(crate) fn add(&mut self, mut job: Job<T>, can_fetch: bool) {
        if let Some(other) = self.waiting.remove(&job.key) {
            job = joined(job, other, can_fetch);
        }
        self.waiting.insert(job.key.clone(), job);
    }

    /// The lists of an object may have lagged when it was read: it is read again once they show what
    /// its event tells, if nothing else has it read until then.
    pub(crate) fn add_again(&mut self, job: Job<T>, can_fetch: bool) {
        self.unsure.insert(job.key.clone(), job.event.created);
        self.add(Job { tickets: Vec::new(), is_again: true, ..job }, can_fetch);
    }

    /// Begins what may be begun at `now` of Stripe's clock; how long until more may be.
    pub(crate) fn begin(
        &mut self,
        now: Timestamp,
        maker: &Maker,
        moulds: &[Mould],
    ) -> Option<Duration> {
        let mut soonest: Option<i64> = None;
        let mut ready = Vec::new();
        let free = AT_ONCE.saturating_sub(self.running.len());
        for (key, job) in &self.waiting {
            let wait = due(job).saturating_sub(now.millis());
            if self.running.contains(key) || ready.len() >= free {
                continue;
            }
            if wait <= 0 {
                ready.push(key.clone());
            } else {
                soonest = Some(soonest.map_or(wait, |soonest| soonest.min(wait)));
            }
        }
        for key in ready {
            self.begin_one(&key, maker, moulds);
        }
        soonest.and_then(|millis| u64::try_from(millis).ok()).map(Duration::from_millis)
    }

    fn begin_one(&mut self, key: &Key, maker: &Maker, moulds: &[Mould]) {
        let Some(mould) = moulds.get(key.0).cloned() else { return };
        let Some(job) = self.waiting.remove(key) else { return };
        self.running.insert(key.clone());
        let maker = maker.clone();
        self.tasks.spawn(async move {
            let records = maker.make(&mould, &job.event, job.doubt).await;
            Made { job, records }
        });
    }

    /// The next job that is done; none if none is under way. It may be dropped while it waits.
    ///
    /// # Errors
    ///
    /// When the task was lost.
    pub(crate) async fn done(&mut self) -> Option<Result<Made<T>, Error>> {
        let joined = self.tasks.join_next().await?;
        Some(match joined {
            Ok(made) => {
                self.running.remove(&made.job.key);
                self.unsure.remove(&made.job.key);
                Ok(made)
            }
            Err(lost) => Err(Error::internal("asking for an object").caused_by(lost)),
        })
    }
}

/// Two jobs of one object as one: the newer event counts. What one of them was to do again is done
/// with what the other one is for.
fn joined<T>(job: Job<T>, other: Job<T>, can_fetch: bool) -> Job<T> {
    let is_tied = other.event.created == job.event.created && other.event.id != job.event.id;
    let is_again = job.is_again && other.is_again;
    let (mut newer, mut older) =
        if other.event.created > job.event.created { (other, job) } else { (job, other) };
    let doubt = older.doubt.filter(|_| !older.is_again);
    let tied = (is_tied && can_fetch).then_some(Doubt::Tied);
    newer.doubt = newer.doubt.max(doubt).max(tied);
    newer.tickets.append(&mut older.tickets);
    Job { is_again, ..newer }
}

/// When a job may begin, milliseconds of Stripe's clock.
fn due<T>(job: &Job<T>) -> i64 {
    let second = job.event.created.saturating_mul(1000);
    if job.is_again {
        return second.saturating_add(AGAIN_MILLIS);
    }
    match job.doubt {
        Some(Doubt::Tied) => second.saturating_add(TIED_MILLIS),
        Some(Doubt::Late) => second.saturating_add(LATE_MILLIS),
        Some(Doubt::Asked | Doubt::Version) | None => i64::MIN,
    }
}

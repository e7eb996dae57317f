//! Objects whose records have to be asked for: one question at a time for each object, many side by
//! side, none before its time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use connector::Error;
use protocol::Timestamp;
use tokio::task::JoinSet;

use super::collapse::Key;
use super::event::Event;
use super::feed::Doubt;
use super::make::{Maker, Mould};
use crate::errors::Failure;
use crate::page::Page;

/// Objects that are asked for at the same time.
const AT_ONCE: usize = 16;

/// Milliseconds after the beginning of its second at which a tied object is asked for: so that the
/// answer is newer than every event of that second.
const TIED_MILLIS: i64 = 3_010;
/// The same for an object of which an event came late.
const LATE_MILLIS: i64 = 2_010;

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
}

/// A job that was done.
pub(crate) struct Made<T> {
    /// The job.
    pub(crate) job: Job<T>,
    /// The records.
    pub(crate) page: Result<Page, Failure>,
}

/// The jobs that wait and those under way.
pub(crate) struct Jobs<T> {
    waiting: BTreeMap<Key, Job<T>>,
    running: BTreeSet<Key>,
    tasks: JoinSet<Made<T>>,
}

impl<T: Send + 'static> Jobs<T> {
    /// None.
    pub(crate) fn new() -> Self {
        Self { waiting: BTreeMap::new(), running: BTreeSet::new(), tasks: JoinSet::new() }
    }

    /// Whether something is asked about this object, or will be.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.waiting.contains_key(key) || self.running.contains(key)
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.tasks.is_empty()
    }

    /// Adds a job. One that waits for the same object is joined with it: the newer event counts,
    /// and two of one second are not trusted. `can_fetch` says whether the object can be asked for.
    pub(crate) fn add(&mut self, mut job: Job<T>, can_fetch: bool) {
        if let Some(mut other) = self.waiting.remove(&job.key) {
            let is_tied =
                other.event.created == job.event.created && other.event.id != job.event.id;
            job.doubt =
                job.doubt.max(other.doubt).max((is_tied && can_fetch).then_some(Doubt::Tied));
            job.tickets.append(&mut other.tickets);
            if other.event.created > job.event.created {
                job.event = other.event;
            }
        }
        self.waiting.insert(job.key.clone(), job);
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
            let page = maker.make(&mould, &job.event, job.doubt).await;
            Made { job, page }
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
                Ok(made)
            }
            Err(lost) => Err(Error::internal("asking for an object").caused_by(lost)),
        })
    }
}

/// When a job may begin, milliseconds of Stripe's clock.
fn due<T>(job: &Job<T>) -> i64 {
    let second = job.event.created.saturating_mul(1000);
    match job.doubt {
        Some(Doubt::Tied) => second.saturating_add(TIED_MILLIS),
        Some(Doubt::Late) => second.saturating_add(LATE_MILLIS),
        Some(Doubt::Asked | Doubt::Version) | None => i64::MIN,
    }
}

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

/// Bytes of events that are kept only to read their objects again. Beyond, whoever brings one waits
/// for that.
const MOST_BYTES: usize = 4 * 1024 * 1024;

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

/// An object that is to be read again.
#[derive(Debug, Clone, Copy)]
struct Unsure {
    /// The second of its event.
    created: i64,
    /// Bytes of the object in it.
    bytes: usize,
}

/// The jobs that wait and those under way.
pub(crate) struct Jobs<T> {
    waiting: BTreeMap<Key, Job<T>>,
    running: BTreeSet<Key>,
    tasks: JoinSet<Made<T>>,
    /// Objects whose lists may have lagged when they were read.
    unsure: BTreeMap<Key, Unsure>,
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
        self.tasks.is_empty() && self.waiting.values().all(|job| job.tickets.is_empty())
    }

    /// Whether every object was read when its lists showed all that its event tells.
    pub(crate) fn is_sure(&self) -> bool {
        self.unsure.is_empty()
    }

    /// The second of the oldest event of an object that is to be read again.
    pub(crate) fn oldest_unsure(&self) -> Option<i64> {
        self.unsure.values().map(|unsure| unsure.created).min()
    }

    /// Whether there is room to keep more events only to read their objects again.
    pub(crate) fn has_room(&self) -> bool {
        self.unsure.values().map(|unsure| unsure.bytes).sum::<usize>() < MOST_BYTES
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
        let unsure = Unsure { created: job.event.created, bytes: job.event.text.len() };
        self.unsure.insert(job.key.clone(), unsure);
        self.add(Job { is_again: true, ..job }, can_fetch);
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(id: &str, created: i64, doubt: Option<Doubt>) -> Job<u8> {
        let object = json!({"object": "a", "id": "x"});
        let event =
            json!({"id": id, "type": "a.updated", "created": created, "data": {"object": object}});
        let event = Event::parse(&event.to_string()).unwrap();
        Job::of(Changed::by((0, "x".to_owned()), event), doubt, 1)
    }

    fn again(job: Job<u8>) -> Job<u8> {
        Job { tickets: Vec::new(), is_again: true, ..job }
    }

    fn jobs(all: impl IntoIterator<Item = Job<u8>>) -> Jobs<u8> {
        let mut jobs = Jobs::new();
        for job in all {
            if job.is_again { jobs.add_again(job, true) } else { jobs.add(job, true) }
        }
        jobs
    }

    fn only(jobs: &Jobs<u8>) -> (&str, Option<Doubt>, i64) {
        let job = jobs.waiting.values().next().unwrap();
        (&job.event.id, job.doubt, due(job) / 1000)
    }

    #[test]
    fn what_is_to_be_done_again_waits_eleven_seconds_and_keeps_nobody_waiting() {
        let jobs = jobs([again(job("a", 100, Some(Doubt::Tied)))]);
        assert_eq!(only(&jobs), ("a", Some(Doubt::Tied), 111));
        assert!(jobs.is_idle() && !jobs.is_sure());
        assert_eq!(jobs.oldest_unsure(), Some(100));
    }

    #[test]
    fn a_newer_event_takes_its_place_and_an_older_one_has_it_done_at_once() {
        let earlier = || again(job("b", 100, Some(Doubt::Version)));
        assert_eq!(only(&jobs([earlier(), job("c", 200, None)])), ("c", None, i64::MIN / 1000));
        let older = jobs([earlier(), job("a", 90, None)]);
        assert_eq!(only(&older), ("b", Some(Doubt::Version), i64::MIN / 1000));
        assert!(!older.is_idle());
        let tied = jobs([earlier(), job("c", 100, None)]);
        assert_eq!(only(&tied), ("c", Some(Doubt::Tied), 103));
        let meanwhile = jobs([job("c", 200, None), earlier()]);
        assert_eq!(only(&meanwhile), ("c", None, i64::MIN / 1000));
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let mut much = job("a", 100, None);
        assert!(jobs([again(job("a", 100, None))]).has_room());
        much.event.text = " ".repeat(MOST_BYTES);
        let kept = jobs([Job { is_again: true, ..much }]);
        assert!(!kept.has_room() && !kept.is_idle(), "whoever brought it waits");
    }
}

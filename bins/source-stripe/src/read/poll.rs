//! When events are polled, and what follows from a poll.

use std::time::Duration;

use connector::{Emitter, Error};
use protocol::{Class, Level, Log, Timestamp};
use tokio::time::Instant;

use super::run::Reading;
use crate::backfill;
use crate::change::{News, Told, hold, members};
use crate::errors::Failure;

/// Wait after a poll that found something.
const SOON: Duration = Duration::from_secs(5);
/// Longest wait, when nothing happens.
const IDLE: Duration = Duration::from_secs(300);
/// Wait while events are brought as they happen.
const BROUGHT: Duration = Duration::from_secs(600);

/// When the next poll is due.
#[derive(Debug)]
pub(super) struct Rhythm {
    is_on: bool,
    /// None: as soon as the lists were read.
    due: Option<Instant>,
    wait: Duration,
    polls: u64,
    /// Records of changes that had been emitted at the last poll.
    seen: u64,
}

impl Rhythm {
    /// The first poll is due when the lists were read, if there are polls at all.
    pub(super) const fn new(is_on: bool) -> Self {
        Self { is_on, due: None, wait: SOON, polls: 0, seen: 0 }
    }

    /// Whether there are polls.
    pub(super) const fn is_on(&self) -> bool {
        self.is_on
    }

    /// When the next is due, if that is known.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| self.is_on)
    }

    fn end(&mut self) {
        self.is_on = false;
    }

    fn is_due(&self, lists_are_read: bool) -> bool {
        let is_time = self.due.is_none_or(|due| due <= Instant::now());
        self.is_on && is_time && (lists_are_read || self.polls > 0)
    }

    /// A poll has ended; `records` is how many records of changes there were so far, `is_brought`
    /// whether they are also brought as they happen.
    fn polled(&mut self, records: u64, is_brought: bool, now: Instant) {
        self.wait = match () {
            () if is_brought => BROUGHT,
            () if records > self.seen => SOON,
            () => (self.wait * 2).clamp(SOON, IDLE),
        };
        self.seen = records;
        self.polls = self.polls.saturating_add(1);
        self.due = Some(now + self.wait);
    }

    fn failed(&mut self, now: Instant) {
        self.wait = (self.wait * 2).clamp(SOON, IDLE);
        self.due = Some(now + self.wait);
    }
}

impl Reading<'_> {
    /// Begins a poll if one is due.
    pub(super) async fn begin_poll(&mut self, lists_are_read: bool) -> Result<(), Error> {
        let is_free = !self.changes.is_polling() && !self.backfill.is_over();
        let is_due = self.rhythm.is_due(lists_are_read);
        // A run that ends does so after its last poll, which comes after all of its lists.
        if !is_free || !is_due || !lists_are_read && !self.follow {
            return Ok(());
        }
        hold(&mut self.changes.global, &self.backfill);
        if members(&self.backfill).next().is_none() {
            return self.end_poll().await;
        }
        if self.find_gap().await? {
            return Ok(());
        }
        let names = members(&self.backfill).map(|member| member.name);
        self.changes.global.settle(names.collect::<Vec<_>>());
        self.changes.poll(&self.backfill);
        Ok(())
    }

    /// All changes were read: what waited for that is complete.
    pub(super) async fn end_poll(&mut self) -> Result<(), Error> {
        self.complete().await?;
        self.changes.tally.tell(self.out).await?;
        let up_to = Timestamp::from_seconds(self.changes.global.events_cursor);
        tell_freshness(&self.backfill, up_to, self.out).await?;
        if self.follow {
            self.backfill.refuse_blind_key()?;
            self.changes.client.tell_requests(self.out).await?;
            let is_brought = self.outside.is_healthy();
            self.rhythm.polled(self.changes.record_count, is_brought, Instant::now());
        } else {
            self.rhythm.end();
        }
        Ok(())
    }

    async fn complete(&mut self) -> Result<(), Error> {
        for stream in self.backfill.streams_mut() {
            let is_open = stream.fate == backfill::Fate::Open && stream.started;
            if is_open && stream.awaits_changes && stream.is_read() {
                backfill::complete(stream, self.out).await?;
            }
        }
        Ok(())
    }

    /// Takes in what was read or made.
    pub(super) async fn take_in_news(
        &mut self,
        news: News<super::confirm::Bringer>,
    ) -> Result<(), Error> {
        match news {
            News::Told(told) => {
                let Told { reading, slice, gathered } = *told;
                match gathered {
                    Ok(gathered) => {
                        let parts = (&mut self.backfill, &mut *self.out);
                        self.changes.take_in(reading, slice, gathered, parts).await
                    }
                    Err(failure) => self.poll_failed(failure).await,
                }
            }
            News::Made(made) => {
                let (backfill, out) = (&mut self.backfill, &mut *self.out);
                let (bringers, failed) = self.changes.take_in_made(*made, backfill, out).await?;
                match failed {
                    // Whoever brought the event is told nothing, and brings it again.
                    Some((stream, failure)) => self.object_failed(stream, failure).await,
                    None => self.cover(bringers).await,
                }
            }
        }
    }

    pub(super) async fn poll_failed(&mut self, failure: Failure) -> Result<(), Error> {
        let error = match failure {
            Failure::NoCallsLeft => {
                self.backfill.end();
                return Ok(());
            }
            Failure::Denied(reason) | Failure::Unavailable(reason) => {
                return self.do_without_polls(&reason).await;
            }
            Failure::CursorGone | Failure::Gone | Failure::TooLarge => {
                Error::data("reading the changes (GET /v1/events): the list cannot be followed")
            }
            Failure::Connection(error) if !(self.follow && is_passing(&error)) => {
                return Err(error);
            }
            Failure::Connection(error) | Failure::Stream(error) => error,
        };
        if self.follow {
            self.rhythm.failed(Instant::now());
            let text = format!("{}; it is tried again", error.report());
            return self.out.log(Level::Error, text).await;
        }
        self.rhythm.end();
        let members: Vec<String> =
            members(&self.backfill).map(|member| member.name.to_owned()).collect();
        for index in 0..self.backfill.streams().len() {
            let stream = self.backfill.streams().get(index);
            if stream.is_some_and(|stream| members.contains(&stream.name) && stream.is_read()) {
                self.backfill.fail(index, &error, self.out).await?;
            }
        }
        Ok(())
    }

    async fn do_without_polls(&mut self, reason: &str) -> Result<(), Error> {
        self.rhythm.end();
        let text = format!(
            "changes of objects that the copy already holds are not seen: {reason} \
             (`poll_events: false` leaves them out without this warning)"
        );
        self.out.log(Level::Warn, text).await?;
        self.complete().await
    }

    async fn object_failed(&mut self, stream: usize, failure: Failure) -> Result<(), Error> {
        let error = match failure {
            Failure::NoCallsLeft => {
                self.backfill.end();
                self.changes.break_off();
                return Ok(());
            }
            Failure::Connection(error) if !(self.follow && is_passing(&error)) => {
                return Err(error);
            }
            Failure::Connection(error) | Failure::Stream(error) => error,
            Failure::Denied(reason) | Failure::Unavailable(reason) => Error::permission(reason),
            Failure::CursorGone | Failure::Gone | Failure::TooLarge => {
                Error::data("asking for an object again: a list in it cannot be followed")
            }
        };
        self.changes.unsettle();
        let is_open = self.backfill.streams().get(stream).is_some_and(|stream| {
            matches!(stream.fate, backfill::Fate::Open | backfill::Fate::Complete)
        });
        if is_open { self.backfill.fail(stream, &error, self.out).await } else { Ok(()) }
    }
}

/// Whether it is likely to go away by itself.
fn is_passing(error: &Error) -> bool {
    error.class() == Class::Unreachable
}

/// Tells up to which moment each stream is what Stripe says.
async fn tell_freshness(
    backfill: &backfill::Backfill,
    up_to: Timestamp,
    out: &mut Emitter,
) -> Result<(), Error> {
    let up_to: std::collections::BTreeMap<String, Timestamp> = backfill
        .streams()
        .iter()
        .filter(|stream| stream.takes_changes() && stream.awaits_changes && stream.is_read())
        .flat_map(|stream| stream.family().map(|name| (name.to_owned(), up_to)))
        .collect();
    if up_to.is_empty() {
        return Ok(());
    }
    out.tell(Log { up_to, ..Log::new(Level::Debug, "all changes so far were read") }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_come_soon_after_activity_and_rarely_without() {
        let (mut rhythm, now) = (Rhythm::new(true), Instant::now());
        assert!(!rhythm.is_due(false) && rhythm.is_due(true));
        let mut waits = Vec::new();
        for records in [0, 0, 0, 0, 0, 0, 0, 7, 7] {
            rhythm.polled(records, false, now);
            waits.push(rhythm.wait.as_secs());
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300, 5, 10]);
        rhythm.polled(9, true, now);
        assert_eq!((rhythm.wait, rhythm.is_due(true)), (BROUGHT, false));
        rhythm.end();
        assert_eq!((rhythm.due(), rhythm.is_due(true)), (None, false));
    }
}

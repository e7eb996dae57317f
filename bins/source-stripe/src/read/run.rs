//! One select over everything that can come, and what each step leads to.

use std::time::Duration;

use connector::{Emitter, Error, Stop};
use protocol::Level;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::confirm::Bringer;
use super::live::{Brought, Outside};
use super::poll::Rhythm;
use crate::backfill::{self, Backfill, Fetched};
use crate::change::{Changes, News};
use crate::live::{Delivery, Live};

/// A read while it runs.
pub(crate) struct Reading<'a> {
    pub(super) backfill: Backfill,
    pub(super) changes: Changes<Bringer>,
    pub(super) out: &'a mut Emitter,
    pub(super) outside: Outside,
    pub(super) rhythm: Rhythm,
    /// Whether it goes on after everything was read.
    pub(super) follow: bool,
    /// Whether a stream that takes no part is in the middle of its list.
    pub(super) is_unread_elsewhere: bool,
    /// Whether lists are read.
    asks: bool,
    stop: &'a Stop,
    notices: mpsc::Receiver<String>,
}

/// What a read does.
pub(crate) struct Ahead {
    /// The lists to read.
    pub(crate) backfill: Backfill,
    /// The changes to read.
    pub(crate) changes: Changes<Bringer>,
    /// Events that are brought, and acknowledgements, if there are any.
    pub(crate) live: Option<Live>,
    /// Words of the client.
    pub(crate) notices: mpsc::Receiver<String>,
    /// Whether lists are read and events polled as the owner wishes; otherwise only what is brought
    /// counts.
    pub(crate) asks: bool,
    /// Whether events are polled.
    pub(crate) poll: bool,
    /// Whether to go on after everything was read.
    pub(crate) follow: bool,
    /// Whether a stream that takes no part is in the middle of its list.
    pub(crate) is_unread_elsewhere: bool,
}

/// What comes next.
enum Step {
    Stop,
    Page(Box<Fetched>),
    News(News<Bringer>),
    Brought(Brought),
    Notice(String),
    Woken,
}

impl<'a> Reading<'a> {
    /// A read that emits to `out` until a stop is asked for, or everything was read.
    pub(crate) fn new(ahead: Ahead, out: &'a mut Emitter, stop: &'a Stop) -> Self {
        let Ahead { backfill, changes, live, notices, asks, .. } = ahead;
        let rhythm = Rhythm::new(asks && ahead.poll);
        let (follow, is_unread_elsewhere) = (ahead.follow && asks, ahead.is_unread_elsewhere);
        let outside = Outside::new(live, asks);
        Self {
            backfill,
            changes,
            out,
            outside,
            rhythm,
            follow,
            is_unread_elsewhere,
            asks,
            stop,
            notices,
        }
    }

    /// Reads.
    ///
    /// # Errors
    ///
    /// When the connection failed as a whole, or nobody reads what is emitted.
    pub(crate) async fn run(mut self) -> Result<(), Error> {
        self.begin().await?;
        loop {
            let (wake, is_resting) = self.move_on().await?;
            if is_resting && self.is_over() {
                break;
            }
            let step = self.next(wake).await?;
            if matches!(step, Step::Stop) {
                return self.finish().await;
            }
            self.take(step).await?;
        }
        self.end().await
    }

    async fn take(&mut self, step: Step) -> Result<(), Error> {
        match step {
            Step::Page(fetched) => self.backfill.take_in(*fetched, self.out).await,
            Step::News(news) => self.take_in_news(news).await,
            Step::Brought(brought) => self.take_in_brought(brought).await,
            Step::Notice(text) => self.out.log(Level::Warn, text).await,
            Step::Woken | Step::Stop => Ok(()),
        }
    }

    /// Everything was read.
    async fn end(mut self) -> Result<(), Error> {
        self.changes.tally.tell(self.out).await?;
        self.tell_gap().await?;
        self.outside.close(self.out).await?;
        if !self.asks {
            self.all_was_brought().await?;
        }
        self.changes.client.tell_requests(self.out).await?;
        if self.asks { self.backfill.sum_up(self.out).await } else { Ok(()) }
    }

    async fn begin(&mut self) -> Result<(), Error> {
        let polls = self.rhythm.is_on();
        for stream in self.backfill.streams_mut() {
            stream.awaits_changes = polls && !stream.event_types().is_empty();
        }
        if self.follow {
            // The first state that comes back tells that states do.
            self.changes.commit(&self.backfill, self.out).await?;
        }
        if self.asks { self.backfill.begin(self.out).await } else { self.wait_for_events().await }
    }

    /// Nothing is asked for: the streams are open for what is brought.
    async fn wait_for_events(&mut self) -> Result<(), Error> {
        for stream in self.backfill.streams_mut() {
            stream.ended = true;
            backfill::tell_start(stream, self.out).await?;
        }
        Ok(())
    }

    /// Nothing can be brought any more, and that was all that was asked.
    async fn all_was_brought(&mut self) -> Result<(), Error> {
        for stream in self.backfill.streams_mut() {
            backfill::complete(stream, self.out).await?;
        }
        Ok(())
    }

    /// Begins everything that can be begun now. Says when more may be, and whether nothing of the
    /// lists is left to be asked for now.
    async fn move_on(&mut self) -> Result<(Option<Instant>, bool), Error> {
        let again = self.backfill.try_again();
        let list = if self.follow { self.backfill.list_again() } else { None };
        let is_resting = self.backfill.ask_for_pages().is_none() && self.backfill.is_idle();
        while let Some(is_last) = self.changes.end_slice(&self.backfill, self.out).await? {
            if is_last {
                self.end_poll().await?;
            }
        }
        self.begin_poll(is_resting).await?;
        // A gap has lists begun anew.
        let token = self.backfill.ask_for_pages();
        let job = self.changes.begin_jobs();
        let after = |wait: Option<Duration>| wait.map(|wait| Instant::now() + wait);
        let poll = self.rhythm.due().filter(|_| !self.changes.is_polling());
        let wake = [after(token), after(job), after(list), again, poll];
        let is_resting = token.is_none() && self.backfill.is_idle();
        Ok((wake.into_iter().flatten().min(), is_resting))
    }

    fn is_over(&self) -> bool {
        // Who polls reads again what may have lagged with the next poll, or the next run.
        let is_unsure = !self.asks && self.changes.is_unsure();
        let is_under_way = self.changes.is_polling() || self.changes.is_making() || is_unsure;
        if self.backfill.is_over() {
            return !is_under_way;
        }
        !self.follow && !self.rhythm.is_on() && !is_under_way && self.outside.is_over()
    }

    async fn next(&mut self, wake: Option<Instant>) -> Result<Step, Error> {
        let woken = async {
            match wake {
                Some(wake) => tokio::time::sleep_until(wake).await,
                None => std::future::pending().await,
            }
        };
        let Self { backfill, changes, outside, .. } = self;
        tokio::select! {
            biased;
            () = self.stop.requested() => Ok(Step::Stop),
            Some(notice) = self.notices.recv() => Ok(Step::Notice(notice)),
            brought = outside.next() => Ok(Step::Brought(brought)),
            Some(fetched) = backfill.fetched() => Ok(Step::Page(Box::new(fetched?))),
            news = changes.news() => Ok(Step::News(news?)),
            () = woken => Ok(Step::Woken),
        }
    }

    async fn take_in_brought(&mut self, brought: Brought) -> Result<(), Error> {
        match brought {
            Brought::Event(delivery) => self.take_in_deliveries(delivery).await,
            Brought::Acknowledged(seq) => {
                self.outside.confirm.acknowledged(seq);
                Ok(())
            }
            Brought::Nothing => Ok(()),
            Brought::Unsure => {
                self.outside.confirm.give_up();
                Ok(())
            }
        }
    }

    async fn take_in_deliveries(&mut self, first: Delivery) -> Result<(), Error> {
        let mut kept = Vec::new();
        let mut next = Some(first);
        while let Some(delivery) = next {
            kept.extend(self.take_in_delivery(delivery).await?);
            next = self.outside.ready();
        }
        self.cover(kept).await
    }

    /// Emits the states that cover what was emitted, and has `bringers` wait for them.
    pub(super) async fn cover(&mut self, bringers: Vec<Bringer>) -> Result<(), Error> {
        if bringers.is_empty() {
            return Ok(());
        }
        let seq = self.changes.commit(&self.backfill, self.out).await?;
        self.outside.confirm.written(seq, bringers);
        Ok(())
    }

    /// Emits what is there whole, with its states; the rest is read again by the next run.
    async fn finish(mut self) -> Result<(), Error> {
        self.backfill.finish(self.out).await?;
        self.changes.break_off();
        if self.changes.is_uncovered() {
            self.changes.commit(&self.backfill, self.out).await?;
        }
        self.changes.tally.tell(self.out).await?;
        self.changes.client.tell_requests(self.out).await?;
        self.tell_gap().await?;
        self.outside.close(self.out).await
    }
}

//! The loop: asks for pages as far as budget and memory allow, and emits them as they arrive.
//!
//! A page changes the plan when it is about to be emitted, never when it arrives, so the state is
//! always one of what was emitted. The next page is asked for before this one is emitted.

use std::sync::Arc;
use std::time::Duration;

use connector::{Emitter, Error, Stop};
use protocol::Level;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::plan::Plan;
use super::report;
use super::start::Start;
use super::stream::PageRequest;
use crate::client::{Call, Client};
use crate::errors::Failure;
use crate::limits::Grant;
use crate::page::{Frame, Page};

/// Bytes of pages that may be on their way or waiting.
const BYTES_IN_FLIGHT: usize = 16 * 1024 * 1024;

/// A backfill while it runs.
pub(crate) struct Backfill {
    plan: Plan,
    client: Arc<Client>,
    frames: Vec<Arc<Frame>>,
    pages: JoinSet<Fetched>,
    notices: mpsc::Receiver<String>,
    max_in_flight: usize,
    reserved: usize,
    denied: Vec<String>,
    calls_over: bool,
}

struct Fetched {
    request: PageRequest,
    page: Result<Page, Failure>,
}

/// What the loop waits for next.
enum Event {
    Stop,
    Page(Box<Fetched>),
    Notice(String),
    Token,
    Over,
}

impl Backfill {
    /// A backfill of `start`'s streams; records carry this account.
    pub(crate) fn new(
        plan: Plan,
        client: Arc<Client>,
        account_id: &str,
        notices: mpsc::Receiver<String>,
        max_in_flight: usize,
    ) -> Self {
        let frame = |stream: &super::stream::StreamPlan| {
            let sort_field = stream.facts.sort_field.as_deref();
            Arc::new(Frame::new(&stream.name, account_id, sort_field))
        };
        let frames = plan.streams.iter().map(frame).collect();
        let (pages, reserved, denied, calls_over) = (JoinSet::new(), 0, Vec::new(), false);
        Self { plan, client, frames, pages, notices, max_in_flight, reserved, denied, calls_over }
    }

    /// Reads until every stream has ended or a stop is asked for.
    ///
    /// # Errors
    ///
    /// When the connection failed as a whole, or nobody reads what is emitted.
    pub(crate) async fn run(mut self, out: &mut Emitter, stop: &Stop) -> Result<(), Error> {
        for stream in &mut self.plan.streams {
            if stream.is_done() {
                stream.ended = true;
                report::nothing_left(stream, out).await?;
            }
        }
        loop {
            let wait = self.ask_for_pages();
            match self.next(wait, stop).await? {
                Event::Page(fetched) => self.take_in(*fetched, out).await?,
                Event::Notice(text) => out.log(Level::Warn, text).await?,
                Event::Token => {}
                Event::Stop => return self.finish(out).await,
                Event::Over => break,
            }
        }
        if self.calls_over {
            let text =
                "stopped: `max_api_calls` requests were made; the next run goes on from here";
            out.log(Level::Warn, text).await?;
        }
        self.refuse_blind_key()
    }

    /// Asks for as many pages as may be asked for now. Some time when more may be after it.
    fn ask_for_pages(&mut self) -> Option<Duration> {
        while self.pages.len() < self.max_in_flight && !self.calls_over {
            match self.next_turn() {
                Ok(index) => self.ask(index),
                Err(wait) => return wait,
            }
        }
        None
    }

    /// The stream whose page can be asked for now, or how long until there may be one.
    fn next_turn(&mut self) -> Result<usize, Option<Duration>> {
        let mut soonest: Option<Duration> = None;
        for index in self.plan.waiting() {
            match self.grant(index) {
                Grant::Go => return Ok(index),
                Grant::Wait(wait) => soonest = Some(soonest.map_or(wait, |s| s.min(wait))),
                Grant::Never => self.calls_over = true,
            }
        }
        Err(soonest)
    }

    fn grant(&self, index: usize) -> Grant {
        let Some(stream) = self.plan.streams.get(index) else { return Grant::Never };
        let too_much = self.reserved.saturating_add(stream.page_bytes()) > BYTES_IN_FLIGHT;
        if too_much && !self.pages.is_empty() {
            return Grant::Wait(Duration::from_millis(50));
        }
        self.client.take(&stream.facts.path)
    }

    fn ask(&mut self, index: usize) {
        let Some(request) = self.plan.ask(index) else { return };
        let (Some(stream), Some(frame)) = (self.plan.streams.get(index), self.frames.get(index))
        else {
            return;
        };
        let call = Call::list(&stream.name, &stream.facts.path, request.query.clone());
        self.reserved = self.reserved.saturating_add(request.reserved);
        let (client, frame) = (Arc::clone(&self.client), Arc::clone(frame));
        self.pages.spawn(async move {
            let page = client.page(&call, &frame).await;
            Fetched { request, page }
        });
    }

    async fn next(&mut self, wait: Option<Duration>, stop: &Stop) -> Result<Event, Error> {
        if self.pages.is_empty() && wait.is_none() {
            return Ok(if stop.is_requested() { Event::Stop } else { Event::Over });
        }
        let token = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        let event = tokio::select! {
            biased;
            () = stop.requested() => Event::Stop,
            Some(notice) = self.notices.recv() => Event::Notice(notice),
            Some(joined) = self.pages.join_next() => Event::Page(Box::new(joined.map_err(lost_task)?)),
            () = token => Event::Token,
        };
        Ok(event)
    }

    /// Emits what has arrived whole; what has not is asked for by the next run.
    async fn finish(mut self, out: &mut Emitter) -> Result<(), Error> {
        self.max_in_flight = 0;
        while let Some(joined) = self.pages.try_join_next() {
            self.take_in(joined.map_err(lost_task)?, out).await?;
        }
        Ok(())
    }

    async fn take_in(&mut self, fetched: Fetched, out: &mut Emitter) -> Result<(), Error> {
        let Fetched { request, page } = fetched;
        self.reserved = self.reserved.saturating_sub(request.reserved);
        let split_from = self.room_to_split(&request).then_some(self.plan.earliest);
        let Some(stream) = self.plan.streams.get_mut(request.stream) else { return Ok(()) };
        if stream.ended {
            return Ok(());
        }
        report::start(stream, out).await?;
        let page = match page {
            Ok(page) => page,
            Err(failure) => return self.take_in_failure(&request, failure, out).await,
        };
        match stream.arrived(&request, &page, split_from) {
            Ok(arrival) => {
                self.ask_for_pages();
                let Some(stream) = self.plan.streams.get(request.stream) else { return Ok(()) };
                report::page(stream, &page, &arrival, out).await
            }
            Err(error) => self.take_in_failure(&request, Failure::Stream(error), out).await,
        }
    }

    async fn take_in_failure(
        &mut self,
        request: &PageRequest,
        failure: Failure,
        out: &mut Emitter,
    ) -> Result<(), Error> {
        let Some(stream) = self.plan.streams.get_mut(request.stream) else { return Ok(()) };
        let error = match failure {
            Failure::NoCallsLeft => {
                self.calls_over = true;
                return Ok(());
            }
            Failure::CursorGone => match stream.cursor_gone(request) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            },
            Failure::Connection(error) => return Err(error),
            Failure::Denied(reason) => {
                stream.ended = true;
                self.denied.push(reason.clone());
                return out.skip(&stream.name, reason).await;
            }
            Failure::Unavailable(reason) => {
                stream.ended = true;
                return out.skip(&stream.name, reason).await;
            }
            Failure::Stream(error) => error,
        };
        stream.ended = true;
        out.stream_error(&stream.name, &error).await
    }

    /// Whether one request more could be made at once, and nobody waits for it.
    fn room_to_split(&self, request: &PageRequest) -> bool {
        let Some(stream) = self.plan.streams.get(request.stream) else { return false };
        self.pages.len().saturating_add(1) < self.max_in_flight
            && self.plan.waiting().is_empty()
            && self.client.has_room(&stream.facts.path)
    }

    /// A key that may read none of several streams is no key for this catalog.
    fn refuse_blind_key(&self) -> Result<(), Error> {
        let all = self.plan.streams.len();
        match self.denied.first() {
            Some(reason) if all > 1 && self.denied.len() == all => Err(Error::permission(format!(
                "reading {all} streams, none of them permitted: {reason}"
            ))),
            _ => Ok(()),
        }
    }
}

fn lost_task(error: tokio::task::JoinError) -> Error {
    Error::internal("fetching a page").caused_by(error)
}

/// Emits what comes before the first page: warnings, unknown streams, the place of the changes.
pub(crate) async fn open(start: &Start, out: &mut Emitter) -> Result<(), Error> {
    if let Some(global) = &start.global {
        out.global_state(global).await?;
    }
    for warning in &start.warnings {
        out.log(Level::Warn, warning.clone()).await?;
    }
    for name in &start.unknown {
        out.start(name, None).await?;
        let error = Error::config(format!("reading `{name}`: there is no such stream"))
            .hint("`source-stripe discover` lists those that there are");
        out.stream_error(name, &error).await?;
    }
    Ok(())
}

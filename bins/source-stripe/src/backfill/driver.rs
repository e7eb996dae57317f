//! The loop: asks for pages as far as budget and memory allow, and emits them as they arrive.
//!
//! A page changes the plan when it is about to be emitted, never when it arrives, so the state is
//! always one of what was emitted. The next page is asked for before this one is emitted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use connector::{Emitter, Error, Stop};
use protocol::Level;
use stripe_api::{Catalogue, StreamFacts};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::plan::Plan;
use super::report;
use super::schedule::{Schedule, Turn};
use super::start::Start;
use super::stream::{PageRequest, StreamPlan};
use crate::child_streams;
use crate::client::{Call, Client};
use crate::config::Settings;
use crate::errors::Failure;
use crate::page::{ChildFrame, Frame, Page};
use crate::walk::{Lists, Stage, Walk};
use crate::whole;

/// A backfill while it runs.
pub(crate) struct Backfill {
    schedule: Schedule,
    client: Arc<Client>,
    frames: Vec<Arc<Frames>>,
    pages: JoinSet<Fetched>,
    notices: mpsc::Receiver<String>,
    denied: Vec<String>,
    /// Lists inside objects that could not be made whole: how many of each stream, and why the first.
    left_cut: BTreeMap<String, (usize, String)>,
    expand_lists: bool,
    calls_over: bool,
}

/// The frames of a stream and of its children.
struct Frames {
    own: Frame,
    children: Vec<ChildFrame>,
    /// What is read parent by parent: the frame of the parents, and the lists under them.
    under_parents: Option<(Frame, Arc<Lists>)>,
}

struct Fetched {
    request: PageRequest,
    page: Result<Page, Failure>,
    /// What goes on, if this is a part of what is read under a page of parents.
    walk: Option<Box<Walk>>,
}

impl Fetched {
    const fn whole(request: PageRequest, page: Result<Page, Failure>) -> Self {
        Self { request, page, walk: None }
    }

    /// Goes on with what is read under a page of parents.
    async fn walked(request: PageRequest, walk: Walk, client: &Client) -> Self {
        match Box::pin(walk.go_on(client)).await {
            Ok(Stage::Part(offspring, walk)) => {
                let page = Page::of_offspring(offspring);
                Self { request, page: Ok(page), walk: Some(walk) }
            }
            Ok(Stage::End(page)) => Self::whole(request, Ok(page)),
            Err(failure) => Self::whole(request, Err(failure)),
        }
    }
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
        settings: &Settings,
    ) -> Self {
        let expand_lists = settings.wishes.expand_lists;
        let frames = plan.streams.iter();
        let frames = frames.map(|stream| Arc::new(Frames::new(stream, account_id, expand_lists)));
        let frames = frames.collect();
        Self {
            schedule: Schedule::new(plan, settings.max_in_flight),
            client,
            frames,
            pages: JoinSet::new(),
            notices,
            denied: Vec::new(),
            left_cut: BTreeMap::new(),
            expand_lists,
            calls_over: false,
        }
    }

    /// Reads until every stream has ended or a stop is asked for.
    ///
    /// # Errors
    ///
    /// When the connection failed as a whole, or nobody reads what is emitted.
    pub(crate) async fn run(mut self, out: &mut Emitter, stop: &Stop) -> Result<(), Error> {
        for stream in &mut self.schedule.plan.streams {
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
        report::left_cut(&self.left_cut, out).await?;
        if self.calls_over {
            let text =
                "stopped: `max_api_calls` requests were made; the next run goes on from here";
            out.log(Level::Warn, text).await?;
        }
        self.refuse_blind_key()
    }

    /// Asks for as many pages as may be asked for now. Some time when more may be after it.
    fn ask_for_pages(&mut self) -> Option<Duration> {
        while !self.calls_over {
            match self.client.decide(|limits, now| self.schedule.turn(limits, now)) {
                Turn::Ask(request) => self.ask(request),
                Turn::Wait(wait) => return Some(wait),
                Turn::Idle => return None,
                Turn::Never => self.calls_over = true,
            }
        }
        None
    }

    fn ask(&mut self, request: PageRequest) {
        let stream = self.schedule.plan.streams.get(request.stream);
        let (Some(stream), Some(frame)) = (stream, self.frames.get(request.stream)) else {
            return;
        };
        let call = Call::list(&stream.list.name, &stream.list.path, request.query.clone());
        let (client, frame) = (Arc::clone(&self.client), Arc::clone(frame));
        let expand = self.expand_lists.then(|| stream.name.clone());
        self.pages.spawn(async move { fetch(&client, &call, &frame, expand, request).await });
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
        self.calls_over = true;
        while let Some(joined) = self.pages.try_join_next() {
            self.take_in(joined.map_err(lost_task)?, out).await?;
        }
        report::left_cut(&self.left_cut, out).await
    }

    async fn take_in(&mut self, fetched: Fetched, out: &mut Emitter) -> Result<(), Error> {
        let Fetched { request, page, walk } = fetched;
        if let (Ok(part), Some(walk)) = (&page, walk) {
            return self.take_in_part(request, part, *walk, out).await;
        }
        let room = self.client.decide(|limits, now| self.schedule.back(&request, limits, now));
        let Some(stream) = self.schedule.plan.streams.get_mut(request.stream) else {
            return Ok(());
        };
        if stream.ended {
            return Ok(());
        }
        report::start(stream, out).await?;
        let page = match page {
            Ok(page) => page,
            Err(failure) => return self.take_in_failure(&request, failure, out).await,
        };
        if let Some(why) = page.left_cut().first() {
            let left = self.left_cut.entry(stream.name.clone()).or_insert_with(|| (0, why.clone()));
            left.0 = left.0.saturating_add(page.left_cut().len());
        }
        match stream.arrived(&request, &page, room) {
            Ok(arrival) => {
                self.ask_for_pages();
                let Some(stream) = self.schedule.plan.streams.get(request.stream) else {
                    return Ok(());
                };
                report::page(stream, &page, &arrival, out).await
            }
            Err(error) => self.take_in_failure(&request, Failure::Stream(error), out).await,
        }
    }

    /// Emits a part of what is read under a page of parents, and goes on.
    async fn take_in_part(
        &mut self,
        request: PageRequest,
        part: &Page,
        walk: Walk,
        out: &mut Emitter,
    ) -> Result<(), Error> {
        let Some(stream) = self.schedule.plan.streams.get_mut(request.stream) else {
            return Ok(());
        };
        if stream.ended {
            self.client.decide(|limits, now| self.schedule.back(&request, limits, now));
            return Ok(());
        }
        report::start(stream, out).await?;
        stream.part_arrived(part);
        report::records(&stream.name, part, 0, out).await?;
        let client = Arc::clone(&self.client);
        self.pages.spawn(async move { Fetched::walked(request, walk, &client).await });
        Ok(())
    }

    async fn take_in_failure(
        &mut self,
        request: &PageRequest,
        failure: Failure,
        out: &mut Emitter,
    ) -> Result<(), Error> {
        let Some(stream) = self.schedule.plan.streams.get_mut(request.stream) else {
            return Ok(());
        };
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
                self.denied.push(reason.clone());
                return report::skip(stream, &reason, out).await;
            }
            Failure::Unavailable(reason) => return report::skip(stream, &reason, out).await,
            Failure::Stream(error) => error,
        };
        report::failed(stream, &error, out).await
    }

    /// A key that may read none of several streams is no key for this catalog.
    fn refuse_blind_key(&self) -> Result<(), Error> {
        let all = self.schedule.plan.streams.len();
        match self.denied.first() {
            Some(reason) if all > 1 && self.denied.len() == all => Err(Error::permission(format!(
                "reading {all} streams, none of them permitted: {reason}"
            ))),
            _ => Ok(()),
        }
    }
}

impl Frames {
    fn new(stream: &StreamPlan, account_id: &str, expand: bool) -> Self {
        let frame = |name: &str, facts: &StreamFacts| {
            // A list that goes on by token has no need of an order.
            let sort_field = facts.sort_field.as_deref().filter(|_| !facts.v2);
            Frame::new(name, account_id, sort_field)
        };
        let own = frame(&stream.name, stream.facts);
        let children = stream.children.iter();
        let under_parents = stream.keyed.as_ref().map(|keyed| {
            let lists = Lists::new(keyed, own.clone(), expand);
            (frame(&stream.list.name, stream.list), Arc::new(lists))
        });
        let children = children.map(|child| ChildFrame::new(child, account_id)).collect();
        Self { own, children, under_parents }
    }
}

/// A page, with whole objects if their stream is named; of parents, what is read under them.
async fn fetch(
    client: &Client,
    call: &Call,
    frames: &Frames,
    expand: Option<String>,
    request: PageRequest,
) -> Fetched {
    let Some((parents, lists)) = &frames.under_parents else {
        return Fetched::whole(request, own_page(client, call, frames, expand).await);
    };
    match client.stamped_page(call, parents).await {
        Ok((page, stamp)) => {
            let walk = Walk::new(Arc::clone(lists), page, stamp, request.left);
            Fetched::walked(request, walk, client).await
        }
        Err(failure) => Fetched::whole(request, Err(failure)),
    }
}

async fn own_page(
    client: &Client,
    call: &Call,
    frames: &Frames,
    expand: Option<String>,
) -> Result<Page, Failure> {
    let mut page = client.page(call, &frames.own).await?;
    if let Some(stream) = expand {
        whole::complete(client, &stream, &mut page).await?;
    }
    page.breed(&frames.children);
    Ok(page)
}

fn lost_task(error: tokio::task::JoinError) -> Error {
    Error::internal("fetching a page").caused_by(error)
}

/// Why a name in the catalog cannot be read.
fn unreadable(name: &str, catalogue: &Catalogue) -> Error {
    if let Some(keyed) = catalogue.keyed(name) {
        let cost = child_streams::cost(keyed, catalogue);
        return Error::config(format!(
            "reading `{name}`: it is read only where `child_streams` names it ({cost})"
        ))
        .hint("name it in `child_streams` of the configuration");
    }
    match catalogue.child(name) {
        Some(child) => Error::config(format!(
            "reading `{name}`: its objects come with those of `{}`, which is not in the catalog",
            child.parent
        ))
        .hint("select that stream too"),
        None => Error::config(format!("reading `{name}`: there is no such stream"))
            .hint("`source-stripe discover` lists those that there are"),
    }
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
        out.stream_error(name, &unreadable(name, start.catalogue)).await?;
    }
    Ok(())
}

//! Asks for pages as far as budget and memory allow, and emits them as they arrive.
//!
//! A page changes the plan when it is about to be emitted, never when it arrives, so the state is
//! always one of what was emitted. The next page is asked for before this one is emitted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use connector::{Emitter, Error};
use protocol::Level;
use stripe_api::{Catalogue, StreamFacts};
use tokio::task::JoinSet;

use super::plan::Plan;
use super::report;
use super::retry::Retries;
use super::schedule::{Schedule, Turn};
use super::start::Start;
use super::stream::{PageRequest, StreamPlan};
use crate::child_streams;
use crate::client::{Call, Client, Listed};
use crate::config::Settings;
use crate::errors::Failure;
use crate::page::{ChildFrame, Frame, Page};
use crate::room::Held;
use crate::walk::{Lists, Stage, Walk};
use crate::whole;

/// A backfill while it runs.
pub(crate) struct Backfill {
    schedule: Schedule,
    client: Arc<Client>,
    account_id: String,
    frames: Vec<Arc<Frames>>,
    pages: JoinSet<Fetched>,
    denied: Vec<String>,
    /// Lists inside objects that could not be made whole: how many of each stream, and why the first.
    left_cut: BTreeMap<String, (usize, String)>,
    expand_lists: bool,
    calls_over: bool,
    /// Streams that failed and are tried again, where a failure is not the end.
    retries: Option<Retries>,
}

/// The frames of a stream and of its children.
#[derive(Debug)]
pub(crate) struct Frames {
    /// That of the stream.
    pub(crate) own: Frame,
    /// Those of its children.
    pub(crate) children: Vec<ChildFrame>,
    /// What is read parent by parent: the frame of the parents, and the lists under them.
    under_parents: Option<(Frame, Arc<Lists>)>,
}

/// The answer to a question for a page.
pub(crate) struct Fetched {
    request: PageRequest,
    page: Result<Page, Failure>,
    /// What goes on, if this is a part of what is read under a page of parents.
    walk: Option<Box<Walk>>,
    /// The room that the page takes, or that of the parents under which it was read.
    held: Held,
}

impl Fetched {
    fn whole(request: PageRequest, page: Result<Page, Failure>) -> Self {
        Self { request, page, walk: None, held: Held::default() }
    }

    /// Goes on with what is read under a page of parents, which takes this room.
    async fn walked(request: PageRequest, walk: Walk, held: Held, client: &Client) -> Self {
        let fetched = match Box::pin(walk.go_on(client)).await {
            Ok(Stage::Part(offspring, walk)) => {
                let page = Page::of_offspring(offspring);
                Self { walk: Some(walk), ..Self::whole(request, Ok(page)) }
            }
            Ok(Stage::End(page)) => Self::whole(request, Ok(page)),
            Err(failure) => Self::whole(request, Err(failure)),
        };
        Self { held, ..fetched }
    }
}

impl Backfill {
    /// A backfill of `start`'s streams; records carry this account.
    pub(crate) fn new(
        plan: Plan,
        client: Arc<Client>,
        account_id: &str,
        follow: bool,
        settings: &Settings,
    ) -> Self {
        let expand_lists = settings.wishes.expand_lists;
        let frames = plan.streams.iter();
        let frames = frames.map(|stream| Arc::new(Frames::new(stream, account_id, expand_lists)));
        let frames = frames.collect();
        Self {
            schedule: Schedule::new(plan, settings.max_in_flight),
            client,
            account_id: account_id.to_owned(),
            frames,
            pages: JoinSet::new(),
            denied: Vec::new(),
            left_cut: BTreeMap::new(),
            expand_lists,
            calls_over: false,
            retries: follow.then(Retries::default),
        }
    }

    /// Tells the streams of which nothing is left to read.
    ///
    /// # Errors
    ///
    /// When nobody reads what is emitted.
    pub(crate) async fn begin(&mut self, out: &mut Emitter) -> Result<(), Error> {
        for stream in &mut self.schedule.plan.streams {
            if stream.is_done() {
                stream.ended = true;
                report::nothing_left(stream, out).await?;
            }
        }
        Ok(())
    }

    /// The streams, in the order of the catalog.
    pub(crate) fn streams(&self) -> &[StreamPlan] {
        &self.schedule.plan.streams
    }

    /// The same, to be changed.
    pub(crate) fn streams_mut(&mut self) -> &mut [StreamPlan] {
        &mut self.schedule.plan.streams
    }

    /// Whether no page is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        self.pages.is_empty()
    }

    /// Whether no more requests are allowed.
    pub(crate) const fn is_over(&self) -> bool {
        self.calls_over
    }

    /// No more requests are to be made.
    pub(crate) const fn end(&mut self) {
        self.calls_over = true;
    }

    /// Asks for as many pages as may be asked for now. Some time when more may be after it.
    pub(crate) fn ask_for_pages(&mut self) -> Option<Duration> {
        self.schedule.reserve(!self.client.may_leave_unread());
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
        let mut call = Call::list(&stream.list.name, &stream.list.path, request.query.clone());
        if request.limit > 1 {
            call = call.of_about(request.expected);
        }
        if request.reserved == 0 {
            call = call.with_room(request.expected);
        }
        let (client, frame) = (Arc::clone(&self.client), Arc::clone(frame));
        let expand = self.expand_lists.then(|| stream.name.clone());
        self.pages.spawn(async move { fetch(&client, &call, &frame, expand, request).await });
    }

    /// The next page that arrives; none if none is on its way. It may be dropped while it waits.
    ///
    /// # Errors
    ///
    /// When the task that fetched it was lost.
    pub(crate) async fn fetched(&mut self) -> Option<Result<Fetched, Error>> {
        let joined = self.pages.join_next().await?;
        Some(joined.map_err(|error| Error::internal("fetching a page").caused_by(error)))
    }

    /// Emits what has arrived whole; what has not is asked for by the next run.
    ///
    /// # Errors
    ///
    /// As [`Backfill::take_in`].
    pub(crate) async fn finish(&mut self, out: &mut Emitter) -> Result<(), Error> {
        self.calls_over = true;
        while let Some(joined) = self.pages.try_join_next() {
            let lost = |error| Error::internal("fetching a page").caused_by(error);
            self.take_in(joined.map_err(lost)?, out).await?;
        }
        report::left_cut(&self.left_cut, out).await
    }

    /// Tells what is to be told at the end.
    ///
    /// # Errors
    ///
    /// When the key may read nothing, or nobody reads what is emitted.
    pub(crate) async fn sum_up(&self, out: &mut Emitter) -> Result<(), Error> {
        report::left_cut(&self.left_cut, out).await?;
        if self.calls_over {
            let text =
                "stopped: `max_api_calls` requests were made; the next run goes on from here";
            out.log(Level::Warn, text).await?;
        }
        self.refuse_blind_key()
    }

    /// Emits a page, or deals with its failure.
    ///
    /// # Errors
    ///
    /// When the connection failed as a whole, or nobody reads what is emitted.
    pub(crate) async fn take_in(
        &mut self,
        fetched: Fetched,
        out: &mut Emitter,
    ) -> Result<(), Error> {
        let Fetched { request, page, walk, held } = fetched;
        if let (Ok(part), Some(walk)) = (&page, walk) {
            return self.take_in_part(request, part, (*walk, held), out).await;
        }
        let room = self.client.decide(|limits, now| self.schedule.back(&request, limits, now));
        let Some(stream) = self.schedule.plan.streams.get_mut(request.stream) else {
            return Ok(());
        };
        if !stream.wants(&request) {
            return Ok(());
        }
        report::start(stream, out).await?;
        let page = match page {
            Ok(page) => page,
            Err(failure) => return self.take_in_failure(&request, failure, out).await,
        };
        note_left_cut(&mut self.left_cut, &stream.name, &page);
        if let Some(retries) = &mut self.retries {
            retries.forget(request.stream);
        }
        match stream.arrived(&request, &page, room) {
            Ok(arrival) => {
                self.ask_for_pages();
                let Some(stream) = self.schedule.plan.streams.get_mut(request.stream) else {
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
        (walk, held): (Walk, Held),
        out: &mut Emitter,
    ) -> Result<(), Error> {
        let Some(stream) = self.schedule.plan.streams.get_mut(request.stream) else {
            return Ok(());
        };
        if !stream.wants(&request) {
            self.client.decide(|limits, now| self.schedule.back(&request, limits, now));
            return Ok(());
        }
        report::start(stream, out).await?;
        stream.part_arrived(part);
        report::records(stream, part, 0, out).await?;
        stream.is_known = true;
        let client = Arc::clone(&self.client);
        self.pages.spawn(async move { Fetched::walked(request, walk, held, &client).await });
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
            Failure::TooLarge => {
                stream.too_large(request);
                return Ok(());
            }
            Failure::Connection(error) => return Err(error),
            Failure::Denied(reason) => {
                self.denied.push(reason.clone());
                return report::skip(stream, &reason, out).await;
            }
            Failure::Unavailable(reason) => return report::skip(stream, &reason, out).await,
            Failure::Gone => Error::internal("listing a stream: an object is gone"),
            Failure::Stream(error) => error,
        };
        self.fail(request.stream, &error, out).await
    }

    /// A stream has failed: that is its end, or it is tried again later where reading goes on.
    ///
    /// # Errors
    ///
    /// When nobody reads what is emitted.
    pub(crate) async fn fail(
        &mut self,
        index: usize,
        error: &Error,
        out: &mut Emitter,
    ) -> Result<(), Error> {
        let Some(stream) = self.schedule.plan.streams.get_mut(index) else { return Ok(()) };
        match &mut self.retries {
            None => report::failed(stream, error, out).await,
            Some(retries) => {
                let again = retries.failed(index, tokio::time::Instant::now());
                report::failed_for_now(stream, error, again, out).await
            }
        }
    }

    /// Tries those streams again whose time has come; when the next will be.
    pub(crate) fn try_again(&mut self) -> Option<tokio::time::Instant> {
        let retries = self.retries.as_mut()?;
        for index in retries.due(tokio::time::Instant::now()) {
            if let Some(stream) = self.schedule.plan.streams.get_mut(index) {
                stream.resume();
            }
        }
        retries.next()
    }

    /// Begins those lists again of which no event tells what is new, and whose time has come; how
    /// long until the next is due. Where reading does not go on there are none.
    pub(crate) fn list_again(&mut self) -> Option<Duration> {
        self.retries.as_ref()?;
        let now = self.client.now()?;
        let mut soonest = None;
        for (stream, frames) in self.schedule.plan.streams.iter_mut().zip(&mut self.frames) {
            if stream.due().is_some_and(|due| due <= now) {
                stream.list_again(now);
                *frames = Arc::new(Frames::new(stream, &self.account_id, self.expand_lists));
            }
            let next = stream.due().into_iter().chain(soonest);
            soonest = next.min();
        }
        let millis = soonest?.millis().saturating_sub(now.millis());
        u64::try_from(millis).ok().map(Duration::from_millis)
    }

    /// Notes which lists in a page's objects are not whole.
    pub(crate) fn note_left_cut(&mut self, stream: &str, page: &Page) {
        note_left_cut(&mut self.left_cut, stream, page);
    }

    /// A key that may read none of several streams is no key for this catalog.
    ///
    /// # Errors
    ///
    /// When it is such a key.
    pub(crate) fn refuse_blind_key(&self) -> Result<(), Error> {
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

    /// What stands around objects that come alone, and not in the list that is read.
    pub(crate) fn of_changes(stream: &StreamPlan, account_id: &str) -> Self {
        let children = stream.children.iter();
        Self {
            own: Frame::new(&stream.name, account_id, None),
            children: children.map(|child| ChildFrame::new(child, account_id)).collect(),
            under_parents: None,
        }
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
        return match own_page(client, call, frames, expand).await {
            Ok((page, held)) => Fetched { held, ..Fetched::whole(request, Ok(page)) },
            Err(failure) => Fetched::whole(request, Err(failure)),
        };
    };
    match client.page(call, parents).await {
        Ok(Listed { page, stamp, held }) => {
            let walk = Walk::new(Arc::clone(lists), page, stamp, request.left);
            Fetched::walked(request, walk, held, client).await
        }
        Err(failure) => Fetched::whole(request, Err(failure)),
    }
}

async fn own_page(
    client: &Client,
    call: &Call,
    frames: &Frames,
    expand: Option<String>,
) -> Result<(Page, Held), Failure> {
    let Listed { mut page, held, .. } = client.page(call, &frames.own).await?;
    if let Some(stream) = expand {
        whole::complete(client, &stream, &mut page).await?;
    }
    page.breed(&frames.children);
    Ok((page, held))
}

fn note_left_cut(noted: &mut BTreeMap<String, (usize, String)>, stream: &str, page: &Page) {
    if let Some(why) = page.left_cut().first() {
        let left = noted.entry(stream.to_owned()).or_insert_with(|| (0, why.clone()));
        left.0 = left.0.saturating_add(page.left_cut().len());
    }
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
    if start.is_first {
        out.global_state(&start.global).await?;
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

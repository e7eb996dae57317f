//! One stream of a backfill: what to ask for next, and what a page changes. Pure.

use connector::Error;
use protocol::Timestamp;
use stripe_api::{ChildStream, KeyedStream, StreamFacts};

use super::again::Terms;
use crate::page::Page;
use crate::page_size::{LARGE, MOST};
use crate::ranges::{Position, RangeId, RangeSet, Seen, Span, StreamState, Window};

/// Parents a page may hold whose lists are read: a run that is cut off reads so many again.
const PARENTS: usize = 50;
/// Bytes a page is taken to have before one was seen.
const FIRST_PAGE_BYTES: usize = 384 * 1024;
/// Objects that each part of a split range is expected to have at least: a split may cost a request.
const LEAST_PART: f64 = 300.0;

/// How a stream ended in this run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It has not.
    #[default]
    Open,
    /// It is complete.
    Complete,
    /// It is not there for this account.
    Skipped,
    /// It failed.
    Failed,
}

/// A stream and how far its reading is.
#[derive(Debug)]
pub(crate) struct StreamPlan {
    /// Its name in the catalog.
    pub(crate) name: String,
    /// What the catalogue knows of its objects.
    pub(crate) facts: &'static StreamFacts,
    /// What it knows of the list that is read: of a stream that is read parent by parent, that of
    /// the parents.
    pub(crate) list: &'static StreamFacts,
    /// How it is read parent by parent, if it is.
    pub(crate) keyed: Option<Keyed>,
    /// The streams that are fed from its objects.
    pub(crate) children: Vec<&'static ChildStream>,
    /// Pages asked for so far.
    pub(crate) asked: u64,
    /// Whether `start` was told.
    pub(crate) started: bool,
    /// Whether nothing more of its list is asked for in this run.
    pub(crate) ended: bool,
    /// How it ended.
    pub(crate) fate: Fate,
    /// Whether its end was told; in a read that goes on it can be read again after that.
    pub(crate) was_completed: bool,
    /// Whether it is complete only once the changes have been read.
    pub(crate) awaits_changes: bool,
    /// Whether the copy holds something of it: a state of it was known or emitted.
    pub(crate) is_known: bool,
    /// Counts how often its list was begun; answers to questions before that do not count.
    attempt: u32,
    /// When its list is read again, and on which terms, where no event tells what is new.
    again: Option<(Terms, Timestamp)>,
    set: RangeSet,
    params: Vec<(String, String)>,
    left: Option<u64>,
    page_limit: usize,
    page_bytes: usize,
}

/// How a stream is read parent by parent.
#[derive(Debug, Clone)]
pub(crate) struct Keyed {
    /// What the catalogue knows of it.
    pub(crate) stream: &'static KeyedStream,
    /// Further parameters of the requests under parents.
    pub(crate) params: Vec<(String, String)>,
    /// Whether it was read before, so that objects may be gone since.
    pub(crate) is_known: bool,
}

/// A page to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PageRequest {
    /// Which stream of the plan.
    pub(crate) stream: usize,
    /// Which of its ranges.
    pub(crate) range: RangeId,
    /// Parameters of the request.
    pub(crate) query: Vec<(String, String)>,
    /// The object that the page follows, if it follows one.
    pub(crate) cursor: Option<String>,
    /// Most objects that the answer has; 1 also where it cannot be asked for fewer.
    pub(crate) limit: usize,
    /// Bytes that the answer is expected to have.
    pub(crate) expected: usize,
    /// How many of them are kept free from now on; where none are, the answer waits for its room.
    pub(crate) reserved: usize,
    /// Most records that may still be read.
    pub(crate) left: Option<u64>,
    /// In which attempt at the list it was asked for.
    pub(crate) attempt: u32,
}

/// What a page means for its stream; the state is that after its records.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// How many of its records to emit, from the first.
    pub(crate) emit: usize,
    /// A span of time that was read: a whole range, or what is read of one by now.
    pub(crate) read: Option<Span>,
    /// Whether the list was found to be out of order.
    pub(crate) found_disorder: bool,
    /// The state once the records are emitted.
    pub(crate) state: StreamState,
    /// Whether nothing of the stream is left. One that a limit cut off is over, and not complete.
    pub(crate) complete: bool,
}

impl StreamPlan {
    /// A stream with what is left of it, further parameters, and most records to read.
    pub(crate) fn new(
        name: String,
        facts: &'static StreamFacts,
        set: RangeSet,
        params: Vec<(String, String)>,
        left: Option<u64>,
    ) -> Self {
        let (page_limit, page_bytes) = (MOST, FIRST_PAGE_BYTES);
        let (asked, started, ended, attempt) = (0, false, false, 0);
        let (fate, was_completed) = (Fate::Open, false);
        let (awaits_changes, is_known) = (false, false);
        let (keyed, children) = (None, Vec::new());
        Self {
            name,
            facts,
            list: facts,
            keyed,
            children,
            asked,
            started,
            ended,
            fate,
            was_completed,
            awaits_changes,
            is_known,
            attempt,
            again: None,
            set,
            params,
            left,
            page_limit,
            page_bytes,
        }
    }

    /// The same, whose list is read again on these terms while reading goes on.
    pub(crate) fn on_terms(self, terms: Terms) -> Self {
        let due = terms.due_after(self.set.state().accounted_range.lt);
        Self { again: due.map(|due| (terms, due)), ..self }
    }

    /// The same, read parent by parent: what was its list is that of the parents.
    pub(crate) fn under_parents(self, keyed: Keyed) -> Self {
        let facts = &keyed.stream.facts;
        Self { facts, keyed: Some(keyed), page_limit: PARENTS, ..self }
    }

    /// Whether a page of it can be asked for now. With a limit of records pages come one by one.
    pub(crate) fn is_waiting(&self) -> bool {
        let held_back = self.left.is_some_and(|left| left == 0 || self.in_flight() > 0);
        !self.ended && !held_back && self.set.waiting().is_some()
    }

    /// Whether there is nothing to ask for.
    pub(crate) fn is_done(&self) -> bool {
        self.is_read() || self.left == Some(0)
    }

    /// Whether a page is still wanted.
    pub(crate) const fn wants(&self, request: &PageRequest) -> bool {
        !self.ended && request.attempt == self.attempt
    }

    /// The event types that tell of its objects.
    pub(crate) fn event_types(&self) -> &'static [String] {
        &self.facts.event_types
    }

    /// Whether changes of it are read: it takes part, and has not been given up.
    pub(crate) fn takes_changes(&self) -> bool {
        !self.event_types().is_empty() && !matches!(self.fate, Fate::Skipped | Fate::Failed)
    }

    /// Its list is asked for again, from where it is.
    pub(crate) fn resume(&mut self) {
        self.attempt = self.attempt.saturating_add(1);
        self.set.release();
        self.ended = self.is_done();
        self.fate = Fate::Open;
    }

    /// Its list is asked for again, from its beginning.
    pub(crate) fn start_over(&mut self) {
        self.set = self.set.anew();
        self.resume();
    }

    /// When its list is due again; none while it is being read or has failed, or where events tell
    /// what is new.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        let is_at_rest = self.is_read() && matches!(self.fate, Fate::Open | Fate::Complete);
        self.again.filter(|_| is_at_rest).map(|(_, due)| due)
    }

    /// Its list is read again as a run would read it that begins at `now` of Stripe's clock.
    pub(crate) fn list_again(&mut self, now: Timestamp) {
        let Some((terms, _)) = self.again else { return };
        self.set = terms.left_at(now, self.list, self.state());
        self.again = terms.due_after(now).map(|due| (terms, due));
        if let Some(keyed) = &mut self.keyed {
            keyed.is_known = true;
        }
        self.resume();
    }

    /// Whether nothing remains.
    pub(crate) fn is_read(&self) -> bool {
        self.set.is_empty()
    }

    /// How many ranges there are of it.
    #[cfg(test)]
    pub(crate) fn ranges(&self) -> usize {
        self.set.len()
    }

    /// Objects expected to be left in the range of it that takes longest.
    pub(crate) fn longest(&self) -> f64 {
        self.set.longest()
    }

    /// Objects expected to be left in the range that is asked for next.
    pub(crate) fn next_work(&self) -> f64 {
        self.set.waiting().map_or(0.0, |id| self.set.work(id))
    }

    /// How many of its ranges wait for a page.
    pub(crate) fn waiting(&self) -> usize {
        if self.is_waiting() { self.set.len().saturating_sub(self.in_flight()) } else { 0 }
    }

    /// Pages being asked for.
    pub(crate) fn in_flight(&self) -> usize {
        self.set.in_flight()
    }

    /// Whether its list can be asked for a span of time.
    pub(crate) fn can_split(&self) -> bool {
        self.list.takes_time() && self.list.sort_field.is_some() && self.left.is_none()
    }

    /// Bytes that its next page is expected to have.
    pub(crate) const fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    /// The time in which its objects are to be expected.
    pub(crate) fn expected(&self) -> Span {
        self.set.expected()
    }

    /// What earlier runs have read of it.
    pub(crate) fn read_before(&self) -> Vec<Span> {
        self.set.read()
    }

    /// The names of its children and then its own: the order of states and ends.
    pub(crate) fn family(&self) -> impl Iterator<Item = &str> {
        let children = self.children.iter().map(|child| child.facts.name.as_str());
        children.chain([self.name.as_str()])
    }

    /// Its state now.
    pub(crate) fn state(&self) -> StreamState {
        self.set.state()
    }

    /// The next page, marked as being asked for.
    pub(crate) fn next(&mut self, stream: usize) -> Option<PageRequest> {
        let range = self.set.waiting()?;
        let (window, position) = self.set.ask(range)?;
        self.asked = self.asked.saturating_add(1);
        let cursor = match position {
            Position::After(id) if self.list.has_pages() => Some(id),
            Position::After(_) | Position::Top => None,
        };
        let query = self.query(window, cursor.as_deref());
        let limit = if self.list.accepts.limit { self.next_limit() } else { 1 };
        let (expected, reserved) = (self.page_bytes, 0);
        let (left, attempt) = (self.left, self.attempt);
        Some(PageRequest { stream, range, query, cursor, limit, expected, reserved, left, attempt })
    }

    fn query(&self, window: Window, cursor: Option<&str>) -> Vec<(String, String)> {
        let accepts = self.list.accepts;
        let mut query = self.params.clone();
        let mut add = |name: &str, value: Option<String>| {
            query.extend(value.map(|value| (name.to_owned(), value)));
        };
        add("limit", accepts.limit.then(|| self.next_limit().to_string()));
        if self.list.takes_time() {
            add("created[gte]", window.gte.map(|bound| bound.to_string()));
            add("created[lt]", window.lt.map(|bound| bound.to_string()));
        }
        let follows = if self.list.v2 { "page" } else { "starting_after" };
        add(follows, cursor.map(str::to_owned));
        query
    }

    fn next_limit(&self) -> usize {
        let left = self.left.filter(|_| self.keyed.is_none());
        let left = left.map_or(MOST, |left| usize::try_from(left).unwrap_or(MOST));
        self.page_limit.min(left).max(1)
    }

    /// Takes in a page. `room` says how many requests more than one could be made at once now.
    ///
    /// # Errors
    ///
    /// When the list cannot be followed to its end.
    pub(crate) fn arrived(
        &mut self,
        request: &PageRequest,
        page: &Page,
        room: usize,
    ) -> Result<Arrival, Error> {
        self.refuse_loop(request, page)?;
        // What parents have is limited while it is read.
        let left = self.left.filter(|_| self.keyed.is_none());
        let most = left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        let mut sorts: Vec<Option<i64>> = page.items().iter().map(|item| item.sort).collect();
        let wanted = self.wanted(request.range, &sorts);
        let emit = wanted.min(most);
        sorts.truncate(emit);
        let last_id = self.place(page, emit);
        let has_more = emit < wanted || (page.has_more && wanted == page.len());
        let seen = Seen { sorts: &sorts, last_id: last_id.as_deref(), has_more };
        let step = self.set.arrived(request.range, seen);
        let (_, emitted) = page.records(emit);
        self.left = self.left.map(|left| left.saturating_sub(emitted));
        self.learn_size(page);
        if room > 0 && step.finished.is_none() {
            self.split(request.range, room);
        }
        self.ended = self.is_done();
        Ok(Arrival {
            emit,
            read: step.finished.or(step.read),
            found_disorder: step.found_disorder,
            state: self.set.state(),
            complete: self.is_read(),
        })
    }

    /// How many objects of a page belong to what was asked for. A list that cannot be asked for a
    /// time goes on below it.
    fn wanted(&self, range: RangeId, sorts: &[Option<i64>]) -> usize {
        let below = if self.list.takes_time() { None } else { self.set.below(range, sorts) };
        below.unwrap_or(sorts.len())
    }

    /// Where the list goes on after the first `count` objects of a page. A v2 list goes on only
    /// after a whole page: what was emitted of one that was cut comes again.
    fn place(&self, page: &Page, count: usize) -> Option<String> {
        if self.list.v2 {
            return page.next().filter(|_| count == page.len()).map(str::to_owned);
        }
        count.checked_sub(1).and_then(|last| page.id(last))
    }

    /// The object that a page was to follow is gone.
    ///
    /// # Errors
    ///
    /// When every cursor is refused.
    pub(crate) fn cursor_gone(&mut self, request: &PageRequest) -> Result<(), Error> {
        if request.cursor.is_some() && self.set.cursor_gone(request.range) {
            return Ok(());
        }
        Err(self.astray("the list refuses its own objects as cursors"))
    }

    /// A page was larger than there is room for: it is asked for again with fewer objects.
    pub(crate) fn too_large(&mut self, request: &PageRequest) {
        self.set.give_back(request.range);
        self.page_limit = self.page_limit.min(request.limit / 4).max(1);
        self.page_bytes = self.page_bytes.max(LARGE);
    }

    fn astray(&self, why: &str) -> Error {
        let (name, path) = (&self.name, &self.list.path);
        Error::data(format!("listing `{name}` (GET {path}): {why}"))
            .hint("this is a fault of the list or of something between; run again later")
    }

    fn refuse_loop(&self, request: &PageRequest, page: &Page) -> Result<(), Error> {
        let last = self.place(page, page.len());
        let why = if page.has_more && page.len() == 0 && !page.is_cut() {
            "the list says that it goes on, and is empty"
        } else if page.has_more && !self.list.has_pages() {
            "the list says that it goes on, and takes no cursor"
        } else if last.is_some() && last == request.cursor {
            "the list does not go on after its cursor"
        } else {
            return Ok(());
        };
        Err(self.astray(why))
    }

    /// Takes in a part of what is read under a page of parents: its records are emitted, and count
    /// as read only with the page.
    pub(crate) fn part_arrived(&mut self, page: &Page) {
        let (_, emitted) = page.records(0);
        self.left = self.left.map(|left| left.saturating_sub(emitted));
        self.page_bytes = self.page_bytes.max(page.bytes());
    }

    /// Splits a range into as many parts as there is room for, unless little is left of it.
    fn split(&mut self, range: RangeId, room: usize) {
        if !self.can_split() {
            return;
        }
        let work = self.set.work_to_share(range);
        let most = room.saturating_add(1);
        let parts = (1..=most).take_while(|parts| work >= LEAST_PART * *parts as f64).count();
        if parts > 1 {
            self.set.split(range, parts);
        }
    }

    fn learn_size(&mut self, page: &Page) {
        if self.keyed.is_some() {
            self.page_bytes = self.page_bytes.max(page.bytes());
            return;
        }
        let is_full = page.len() >= self.page_limit;
        self.page_bytes = if is_full { page.bytes() } else { self.page_bytes.max(page.bytes()) };
        if page.bytes() > LARGE {
            let object = page.bytes() / page.len().max(1);
            self.page_limit = (LARGE / object.max(1)).clamp(1, MOST);
            self.page_bytes = object.saturating_mul(self.page_limit);
        } else if is_full && self.page_limit < MOST && page.bytes() <= LARGE / 4 {
            // Those that were large are behind it.
            self.page_limit = self.page_limit.saturating_mul(2).min(MOST);
            self.page_bytes = page.bytes().saturating_mul(2);
        }
    }
}

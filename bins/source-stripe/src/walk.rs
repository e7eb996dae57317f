//! The lists under a page of parents, read one parent after the other.
//!
//! A long list is handed over in parts, so that memory is bounded by the part, not by the list. Only
//! the end of the walk, or a parent that was read to its end, counts as read.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use connector::Error;
use futures_util::future::join_all;
use memchr::memmem;
use protocol::Prune;
use stripe_api::KeyedStream;

use crate::backfill::Keyed;
use crate::call::path_segment;
use crate::client::{Call, Client, Reply};
use crate::errors::Failure;
use crate::page::{Frame, Offspring, Page, Parent, ParentsList, Stamp, with_prune};
use crate::page_size::PageSize;
use crate::room::Held;
use crate::whole;

/// Lists of one page of parents that are asked for at the same time.
const AT_ONCE: usize = 4;
/// Bytes of record lines that a part has, or a page more.
const PART_BYTES: usize = 512 * 1024;
/// Times that a list is begun again because its cursor is gone.
const RESTARTS: usize = 8;

/// How the lists of a stream are read.
#[derive(Debug)]
pub(crate) struct Lists {
    keyed: &'static KeyedStream,
    frame: Frame,
    /// Further parameters of every request.
    params: Vec<(String, String)>,
    /// The property by which objects that are in no list any more are told, if they are to be.
    told_by: Option<String>,
    /// Whether lists inside the objects are made whole.
    expand: bool,
}

/// A page of parents, and how far the reading of their lists is.
#[derive(Debug)]
pub(crate) struct Walk {
    lists: Arc<Lists>,
    page: Page,
    stamp: Stamp,
    parents: Vec<Parent>,
    /// The first parent that was not begun.
    next: usize,
    /// Lists that go on.
    open: VecDeque<Ask>,
    /// The first parent whose list cannot be read to its end in this run.
    cut: Option<usize>,
    /// Most objects that may still be read.
    left: Option<u64>,
    size: PageSize,
    out: Offspring,
    /// Ids of each list so far, where they are to be told.
    kept: BTreeMap<usize, Vec<String>>,
    /// What is to be told with the next record.
    prunes: Vec<Prune>,
}

/// A page of one parent's list to ask for.
#[derive(Debug, Clone)]
struct Ask {
    parent: usize,
    values: Vec<(String, String)>,
    cursor: Option<String>,
    restarts: usize,
}

/// Where a walk stands.
#[derive(Debug)]
pub(crate) enum Stage {
    /// There are objects to emit, and it goes on.
    Part(Offspring, Box<Walk>),
    /// It is over: the page of parents with what was read last. One that was cut ends before the
    /// first parent that was not read to its end.
    End(Page),
}

impl Walk {
    /// The walk over the parents of a page that was read with this stamp; at most `left` objects.
    pub(crate) fn new(lists: Arc<Lists>, page: Page, stamp: Stamp, left: Option<u64>) -> Self {
        let line = |index: usize| page.line(index).unwrap_or_default();
        let parents =
            (0..page.len()).filter_map(|index| Parent::read(line(index), lists.keyed)).collect();
        Self {
            lists,
            page,
            stamp,
            parents,
            next: 0,
            open: VecDeque::new(),
            cut: None,
            left,
            size: PageSize::new(PART_BYTES),
            out: Offspring::default(),
            kept: BTreeMap::new(),
            prunes: Vec::new(),
        }
    }

    /// Reads until there is a part to emit, or to the end.
    ///
    /// # Errors
    ///
    /// When a list cannot be read. That of a parent which is gone is empty.
    pub(crate) async fn go_on(mut self, client: &Client) -> Result<Stage, Failure> {
        while self.goes_on() {
            let (asks, limit) = (self.asks()?, self.size.limit());
            let pages = join_all(asks.iter().map(|ask| self.fetch(client, ask))).await;
            for (ask, page) in asks.into_iter().zip(pages) {
                self.take_in(ask, limit, page.map(|(page, _held)| page))?;
            }
            if self.out.lines.len() >= PART_BYTES && self.goes_on() {
                return Ok(Stage::Part(self.hand_over(), Box::new(self)));
            }
        }
        self.end().map(Stage::End)
    }

    fn goes_on(&self) -> bool {
        self.cut.is_none() && (self.next < self.parents.len() || !self.open.is_empty())
    }

    /// What to ask for now: lists that go on, then parents that were not begun. With a limit of
    /// records one after the other.
    fn asks(&mut self) -> Result<Vec<Ask>, Failure> {
        let most = if self.left.is_some() { 1 } else { AT_ONCE };
        let mut asks = Vec::new();
        while asks.len() < most && self.goes_on() && self.out.lines.len() < PART_BYTES {
            let ask = self.open.pop_front().map_or_else(|| self.begin(), |ask| Ok(Some(ask)))?;
            asks.extend(ask);
        }
        Ok(asks)
    }

    /// Begins the next parent: what to ask for, if it has to be asked.
    fn begin(&mut self) -> Result<Option<Ask>, Failure> {
        let index = self.next;
        let Some(parent) = self.parents.get_mut(index) else { return Ok(None) };
        if self.left == Some(0) {
            self.cut = Some(index);
            return Ok(None);
        }
        self.next = index.saturating_add(1);
        match std::mem::replace(&mut parent.list, ParentsList::None) {
            ParentsList::None => Ok(None),
            ParentsList::Asked(values) => {
                Ok(Some(Ask { parent: index, values, cursor: None, restarts: 0 }))
            }
            ParentsList::Shown(text) => {
                let id = parent.id.clone();
                let page = Page::read(&text, &self.lists.frame, self.stamp).map_err(|why| {
                    self.lists.astray(&format!("the list inside `{id}` is none: {why}"))
                })?;
                self.keep(index, page);
                Ok(None)
            }
        }
    }

    async fn fetch(&self, client: &Client, ask: &Ask) -> Result<(Page, Held), Failure> {
        let lists = &self.lists;
        let read = |reply: &Reply| Page::read(&reply.body, &lists.frame, self.stamp);
        let call = lists.call(ask, self.size);
        let (mut page, held) = client.get_in_turn(&call, read).await?;
        if lists.expand {
            whole::complete(client, &lists.keyed.facts.name, &mut page).await?;
        }
        Ok((page, held))
    }

    /// Takes in a page that was asked for with this limit.
    fn take_in(
        &mut self,
        ask: Ask,
        limit: usize,
        page: Result<Page, Failure>,
    ) -> Result<(), Failure> {
        let page = match page {
            Ok(page) => page,
            Err(Failure::TooLarge) => {
                self.size.too_large(limit);
                self.open.push_front(ask);
                return Ok(());
            }
            Err(Failure::CursorGone) => return self.begin_again(ask),
            Err(Failure::NoCallsLeft) => {
                self.cut_at(ask.parent);
                return Ok(());
            }
            Err(failure) => return Err(failure),
        };
        let goes_on = page.has_more;
        let cursor = self.lists.cursor(&page);
        if goes_on && (cursor.is_none() || cursor == ask.cursor) {
            return Err(self.lists.astray("the list says that it goes on, and does not"));
        }
        self.size.arrived(page.bytes());
        let parent = ask.parent;
        if goes_on {
            self.open.push_back(Ask { cursor, ..ask });
        }
        self.keep(parent, page);
        Ok(())
    }

    /// A cursor that is gone was deleted: the list is read from its top. Without a cursor it is the
    /// parent that is gone, and its list with it.
    fn begin_again(&mut self, ask: Ask) -> Result<(), Failure> {
        if ask.cursor.is_none() {
            self.kept.remove(&ask.parent);
            return Ok(());
        }
        if ask.restarts >= RESTARTS {
            return Err(self.lists.astray("the list refuses its own objects as cursors"));
        }
        self.kept.remove(&ask.parent);
        let restarts = ask.restarts.saturating_add(1);
        self.open.push_back(Ask { cursor: None, restarts, ..ask });
        Ok(())
    }

    /// Takes a page of a parent's list to what is to be emitted.
    fn keep(&mut self, parent: usize, page: Page) {
        let most = self.left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        let count = page.len().min(most);
        if count < page.len() || page.is_cut() {
            self.cut_at(parent);
        }
        for piece in page.lines(count) {
            self.out.lines.extend_from_slice(piece);
        }
        self.page.take_over_cuts(&page);
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.out.count = self.out.count.saturating_add(count);
        self.left = self.left.map(|left| left.saturating_sub(count));
        if self.left == Some(0) && page.has_more {
            self.cut_at(parent);
        }
        self.note(parent, &page);
    }

    /// Notes which objects are still there; at the end of a list that is what is told.
    fn note(&mut self, parent: usize, page: &Page) {
        let Some(key) = &self.lists.told_by else { return };
        let kept = self.kept.entry(parent).or_default();
        kept.extend((0..page.len()).filter_map(|index| page.id(index)));
        let is_over = !page.has_more && self.cut.is_none_or(|cut| parent < cut);
        let parent = (is_over, self.kept.get_mut(&parent), self.parents.get(parent));
        if let (true, Some(kept), Some(parent)) = parent {
            let condition = [(key.clone(), parent.id.clone().into())].into_iter().collect();
            let stream = self.lists.keyed.facts.name.clone();
            self.prunes.push(Prune { stream, condition, keep: std::mem::take(kept) });
        }
    }

    fn cut_at(&mut self, parent: usize) {
        self.cut = Some(self.cut.map_or(parent, |cut| cut.min(parent)));
    }

    /// What is to be emitted, with what is to be told about objects that are gone.
    fn hand_over(&mut self) -> Offspring {
        if let Some((start, line)) = carrier(&self.out.lines, self.stamp)
            && !self.prunes.is_empty()
            && let Some(told) = with_prune(line, &self.prunes)
        {
            let end = start.saturating_add(line.len());
            self.out.lines.splice(start..end, told);
            self.prunes.clear();
        }
        std::mem::take(&mut self.out)
    }

    /// The page of parents with what was read last, ending where everything was read before it.
    fn end(mut self) -> Result<Page, Failure> {
        let open = self.open.iter().map(|ask| ask.parent).min();
        if let Some(cut) = self.cut.map(|cut| open.map_or(cut, |open| open.min(cut))) {
            if cut == 0 && self.left.is_none() {
                return Err(Failure::NoCallsLeft);
            }
            self.page.cut_off(cut);
        }
        let offspring = self.hand_over();
        self.page.bring(offspring);
        Ok(self.page)
    }
}

impl Lists {
    /// The lists of a stream, whose records stand in this frame.
    pub(crate) fn new(keyed: &Keyed, frame: Frame, expand: bool) -> Self {
        let Keyed { stream, params, is_known } = keyed;
        // By an id that repeats nobody could say which objects are meant.
        let told_by = stream.key.clone().filter(|_| *is_known && !stream.ids_repeat);
        Self { keyed: stream, frame, params: params.clone(), told_by, expand }
    }

    fn call(&self, ask: &Ask, size: PageSize) -> Call {
        let facts = &self.keyed.facts;
        let (mut path, mut query) = (facts.path.clone(), self.params.clone());
        for (name, value) in &ask.values {
            let place = format!("{{{name}}}");
            if path.contains(&place) {
                path = path.replace(&place, &path_segment(value));
            } else {
                query.push((name.clone(), value.clone()));
            }
        }
        if facts.accepts.limit {
            query.push(("limit".to_owned(), size.limit().to_string()));
        }
        let follows = if facts.v2 { "page" } else { "starting_after" };
        query.extend(ask.cursor.iter().map(|cursor| (follows.to_owned(), cursor.clone())));
        let parameter = ask.values.first().map_or("", |(name, _)| name);
        let call = Call::under_parent(&facts.name, &path, (&facts.path, parameter), query);
        if facts.accepts.limit { size.bound(call) } else { call }
    }

    /// Where the list goes on after a page.
    fn cursor(&self, page: &Page) -> Option<String> {
        if self.keyed.facts.v2 {
            return page.next().map(str::to_owned);
        }
        page.len().checked_sub(1).and_then(|last| page.id(last))
    }

    fn astray(&self, why: &str) -> Failure {
        let facts = &self.keyed.facts;
        let (name, path) = (&facts.name, &facts.path);
        let error = Error::data(format!("listing `{name}` (GET {path}): {why}"))
            .hint("this is a fault of the list or of something between; run again later");
        Failure::Stream(error)
    }
}

/// The last line whose version is the time of the walk, and where it starts: what it says about
/// objects that are gone is not newer than what was read.
fn carrier(lines: &[u8], stamp: Stamp) -> Option<(usize, &[u8])> {
    let version = format!(r#""_updated_at":{}}},"emitted_at""#, stamp.updated_at);
    let at = memmem::rfind(lines, version.as_bytes())?;
    let start = memchr::memrchr(b'\n', lines.get(..at)?).map_or(0, |end| end.saturating_add(1));
    let length = memchr::memchr(b'\n', lines.get(start..)?)?;
    Some((start, lines.get(start..=start.saturating_add(length))?))
}

//! Which objects a page holds. Positions count from the newest object, which is 0.

use std::ops::Range;

use serde_json::Value;

use crate::answer::ApiError;
use crate::objects::{View, text_property};
use crate::params::ListQuery;

/// So many event types can be asked for at once.
const MAX_TYPES: usize = 20;

/// How many objects a block has that changes places in a list out of order.
const DISORDER: usize = 7;

/// One page of a list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Its objects, newest first.
    pub(crate) positions: Vec<usize>,
    /// Whether there are more in the direction of paging.
    pub(crate) has_more: bool,
}

/// The part of a list that a page is cut from.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    pub(crate) positions: Range<usize>,
    /// At most this many; all if there is none.
    pub(crate) limit: Option<usize>,
    /// Whether the page lies at the older end, before `ending_before`.
    pub(crate) from_the_end: bool,
}

impl Page {
    /// Puts the object at a position first, as a list does that moved on while it was read. The
    /// page keeps its size.
    pub(crate) fn repeat(&mut self, position: Option<usize>) {
        let Some(position) = position else { return };
        self.positions.insert(0, position);
        if self.positions.len() > 2 {
            self.positions.pop();
            self.has_more = true;
        }
    }
}

/// Cuts the page of a stream that `query` asks for.
pub(crate) fn page(view: &View<'_>, query: &ListQuery) -> Result<Page, ApiError> {
    let (after, before) = cursors(view, query)?;
    let window = window(after, before, query.limit, view.in_time(&query.created));
    let is_listed = is_listed(view, query)?;
    Ok(cut(window, is_listed))
}

/// The same of a list that is out of order: neighbouring blocks of objects have changed places.
pub(crate) fn disordered_page(view: &View<'_>, query: &ListQuery) -> Result<Page, ApiError> {
    let (after, before) = cursors(view, query)?;
    let count = view.len();
    let (after, before) = (after.map(|at| swap(at, count)), before.map(|at| swap(at, count)));
    let window = window(after, before, query.limit, 0..count);
    let is_listed = is_listed(view, query)?;
    let mut page = cut(window, |place| {
        let position = swap(place, count);
        query.created.contains(&view.created(position)) && is_listed(position)
    });
    for place in &mut page.positions {
        *place = swap(*place, count);
    }
    Ok(page)
}

/// Where a position goes when blocks change places; going twice leads back.
fn swap(position: usize, count: usize) -> usize {
    let (block, within) = (position / DISORDER, position % DISORDER);
    let other = (block ^ 1) * DISORDER + within;
    let has_both = (block | 1) * DISORDER + DISORDER <= count;
    if has_both { other } else { position }
}

fn is_listed<'a>(
    view: &'a View<'_>,
    query: &'a ListQuery,
) -> Result<impl Fn(usize) -> bool + 'a, ApiError> {
    refuse_unknown_status(view, query)?;
    let types = types(query)?;
    let has_status = |position: usize| match query.status.as_deref() {
        None => view.is_shown_by_default(position),
        Some("all") => true,
        Some(status) => view.status(position) == Some(status),
    };
    let has_type = move |position: usize| {
        types.is_empty() || types.iter().any(|kind| is_of_type(view.object(position), kind))
    };
    Ok(move |position| view.is_there(position) && has_status(position) && has_type(position))
}

fn cursors(view: &View<'_>, query: &ListQuery) -> Result<(Option<usize>, Option<usize>), ApiError> {
    let after = cursor(view, query.starting_after.as_deref(), "starting_after")?;
    let before = cursor(view, query.ending_before.as_deref(), "ending_before")?;
    Ok((after, before))
}

/// The event types asked for: one, which may end in a star, or up to twenty.
fn types(query: &ListQuery) -> Result<Vec<&str>, ApiError> {
    let (one, several) = (query.named("type"), query.named("types"));
    let types: Vec<&str> = several.collect();
    if types.len() > MAX_TYPES {
        let message = format!("You may only specify up to {MAX_TYPES} types.");
        return Err(ApiError::invalid(400, message).param("types"));
    }
    let one: Vec<&str> = one.collect();
    if !one.is_empty() && !types.is_empty() {
        let message = "You may only specify one of these parameters: type, types.";
        return Err(ApiError::invalid(400, message.to_owned()).param("types"));
    }
    Ok(if types.is_empty() { one } else { types })
}

fn is_of_type(event: &[u8], asked: &str) -> bool {
    let own = text_property(event, "type").unwrap_or_default();
    match asked.strip_suffix('*') {
        Some(start) => own.starts_with(start),
        None => own == asked,
    }
}

/// Cuts the page of a list under a parent that `query` asks for; `object` is what its elements
/// are.
pub(crate) fn page_of(
    elements: &[Value],
    query: &ListQuery,
    object: &str,
) -> Result<Page, ApiError> {
    let place = |id: Option<&str>, param| {
        let Some(id) = id else { return Ok(None) };
        let at = elements.iter().position(|element| element.get("id").is_some_and(|own| own == id));
        at.map(Some).ok_or_else(|| ApiError::missing(400, object, id, param))
    };
    let after = place(query.starting_after.as_deref(), "starting_after")?;
    let before = place(query.ending_before.as_deref(), "ending_before")?;
    let is_in_time = |position: usize| {
        let created = elements.get(position).and_then(|element| element.get("created"));
        created.and_then(Value::as_i64).is_none_or(|time| query.created.contains(&time))
    };
    Ok(cut(window(after, before, query.limit, 0..elements.len()), is_in_time))
}

fn window(
    after: Option<usize>,
    before: Option<usize>,
    limit: Option<usize>,
    all: Range<usize>,
) -> Window {
    let start = after.map_or(all.start, |after| all.start.max(after + 1));
    let end = before.map_or(all.end, |before| all.end.min(before));
    Window { positions: start..end, limit, from_the_end: before.is_some() }
}

fn refuse_unknown_status(view: &View<'_>, query: &ListQuery) -> Result<(), ApiError> {
    let Some(status) = query.status.as_deref() else { return Ok(()) };
    let facts = view.stream.facts;
    let can_be_all = facts.fixed_params.iter().any(|(name, _)| name == "status");
    let is_known = view.stream.statuses.iter().any(|known| known == status);
    if is_known || status == "all" && can_be_all {
        return Ok(());
    }
    let message = format!("Invalid status: no {} is `{status}` here", facts.object);
    Err(ApiError::invalid(400, message).param("status"))
}

fn cursor(view: &View<'_>, id: Option<&str>, param: &str) -> Result<Option<usize>, ApiError> {
    let Some(id) = id else { return Ok(None) };
    let missing = || ApiError::missing(400, &view.stream.facts.object, id, param);
    let position = view.position(id).filter(|position| !view.is_deleted(*position));
    position.map(Some).ok_or_else(missing)
}

/// Cuts a page out of the listed objects of a window.
pub(crate) fn cut(window: Window, is_listed: impl Fn(usize) -> bool) -> Page {
    let limit = window.limit.unwrap_or(usize::MAX);
    let listed = window.positions.filter(|position| is_listed(*position));
    // One more than fits tells whether there are more.
    let mut positions: Vec<usize> = if window.from_the_end {
        listed.rev().take(limit.saturating_add(1)).collect()
    } else {
        listed.take(limit.saturating_add(1)).collect()
    };
    let has_more = positions.len() > limit;
    positions.truncate(limit);
    if window.from_the_end {
        positions.reverse();
    }
    Page { positions, has_more }
}

//! Which objects a page holds. Positions count from the newest object, which is 0.

use std::ops::Range;

use crate::answer::ApiError;
use crate::objects::Stream;
use crate::params::ListQuery;

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

/// Cuts the page that `query` asks for.
pub(crate) fn page(stream: &Stream, query: &ListQuery) -> Result<Page, ApiError> {
    refuse_unknown_status(stream, query)?;
    let after = cursor(stream, query.starting_after.as_deref(), "starting_after")?;
    let before = cursor(stream, query.ending_before.as_deref(), "ending_before")?;
    let created = in_time(stream.store.created(), &query.created);
    let start = after.map_or(created.start, |after| created.start.max(after + 1));
    let end = before.map_or(created.end, |before| created.end.min(before));
    let window =
        Window { positions: start..end, limit: query.limit, from_the_end: before.is_some() };
    let is_listed = |position: usize| match query.status.as_deref() {
        None => stream.is_shown_by_default(position),
        Some("all") => true,
        Some(status) => stream.status(position) == Some(status),
    };
    Ok(cut(window, is_listed))
}

fn refuse_unknown_status(stream: &Stream, query: &ListQuery) -> Result<(), ApiError> {
    let Some(status) = query.status.as_deref() else { return Ok(()) };
    let can_be_all = stream.facts.fixed_params.iter().any(|(name, _)| name == "status");
    if status == "all" && can_be_all
        || stream.has_status(status)
        || stream.store.created().is_empty()
    {
        return Ok(());
    }
    let message = format!("Invalid status: no {} is `{status}` here", stream.facts.object);
    Err(ApiError::invalid(400, message).param("status"))
}

fn cursor(stream: &Stream, id: Option<&str>, param: &str) -> Result<Option<usize>, ApiError> {
    let Some(id) = id else { return Ok(None) };
    let missing = || ApiError::missing(400, &stream.facts.object, id, param);
    stream.store.position(id).map(Some).ok_or_else(missing)
}

/// The positions of the objects created in a range of time.
pub(crate) fn in_time(created: &[i64], range: &Range<i64>) -> Range<usize> {
    let start = created.partition_point(|time| *time >= range.end);
    let end = created.partition_point(|time| *time >= range.start);
    start..end
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

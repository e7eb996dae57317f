//! What a backfill tells: the order of messages around a page.

use std::collections::BTreeMap;
use std::time::Duration;

use connector::{Emitter, Error};
use protocol::{Level, TimeRange};

use super::stream::{Arrival, Fate, StreamPlan};
use crate::page::Page;
use crate::ranges::Span;

/// Says that a stream is being read, once, and what of its time was read before.
pub(crate) async fn start(stream: &mut StreamPlan, out: &mut Emitter) -> Result<(), Error> {
    if stream.started {
        return Ok(());
    }
    stream.started = true;
    for name in stream.family() {
        out.start(name, Some(time_range(stream.expected()))).await?;
        for span in stream.read_before() {
            out.range_complete(name, time_range(span)).await?;
        }
    }
    Ok(())
}

/// Emits a page: its records, then the state that covers them, then the end if it was the last.
pub(crate) async fn page(
    stream: &mut StreamPlan,
    page: &Page,
    arrival: &Arrival,
    out: &mut Emitter,
) -> Result<(), Error> {
    let name = &stream.name;
    if arrival.found_disorder {
        let text = format!(
            "the list of `{name}` is not in order of time: what is left of it is read page after page"
        );
        out.log(Level::Warn, text).await?;
    }
    records(stream, page, arrival.emit, out).await?;
    stream.is_known = true;
    for name in stream.family() {
        // After its end a stream has records and states only.
        if let Some(span) = arrival.read.filter(|_| !stream.was_completed) {
            out.range_complete(name, time_range(span)).await?;
        }
        out.state(name, &arrival.state).await?;
    }
    if arrival.complete && !stream.awaits_changes { complete(stream, out).await } else { Ok(()) }
}

/// Emits the first records of a page, and their children.
pub(crate) async fn records(
    stream: &StreamPlan,
    page: &Page,
    count: usize,
    out: &mut Emitter,
) -> Result<(), Error> {
    let (pieces, mut uncounted) = page.records(count);
    for piece in pieces {
        out.record_lines(&stream.name, piece, std::mem::take(&mut uncounted)).await?;
    }
    for (frame, child) in stream.children.iter().enumerate() {
        for brood in page.broods(count, frame) {
            out.record_lines(&child.facts.name, &brood.lines, brood.count).await?;
        }
    }
    Ok(())
}

/// Emits how far a stream is, and its children.
pub(crate) async fn state(stream: &StreamPlan, out: &mut Emitter) -> Result<(), Error> {
    for name in stream.family() {
        out.state(name, &stream.state()).await?;
    }
    Ok(())
}

/// Tells that a stream is complete, and its children, unless that was told.
pub(crate) async fn complete(stream: &mut StreamPlan, out: &mut Emitter) -> Result<(), Error> {
    if stream.was_completed {
        return Ok(());
    }
    (stream.fate, stream.was_completed) = (Fate::Complete, true);
    for name in stream.family() {
        out.complete(name).await?;
    }
    Ok(())
}

/// Tells a stream of which nothing is asked for in this run. With a limit of no records something
/// remains, and it has no terminal status.
pub(crate) async fn nothing_left(stream: &mut StreamPlan, out: &mut Emitter) -> Result<(), Error> {
    start(stream, out).await?;
    state(stream, out).await?;
    if stream.is_read() && !stream.awaits_changes {
        complete(stream, out).await?;
    }
    Ok(())
}

/// Tells that a stream is not there for this account, and its children with it.
pub(crate) async fn skip(
    stream: &mut StreamPlan,
    reason: &str,
    out: &mut Emitter,
) -> Result<(), Error> {
    (stream.ended, stream.fate) = (true, Fate::Skipped);
    for name in stream.family() {
        out.skip(name, reason).await?;
    }
    Ok(())
}

/// Tells that a stream failed, and its children with it.
pub(crate) async fn failed(
    stream: &mut StreamPlan,
    error: &Error,
    out: &mut Emitter,
) -> Result<(), Error> {
    (stream.ended, stream.fate) = (true, Fate::Failed);
    for name in stream.family() {
        out.stream_error(name, error).await?;
    }
    Ok(())
}

/// Tells that a stream failed and is tried again later; it has no end yet.
pub(crate) async fn failed_for_now(
    stream: &mut StreamPlan,
    error: &Error,
    again: Duration,
    out: &mut Emitter,
) -> Result<(), Error> {
    (stream.ended, stream.fate) = (true, Fate::Failed);
    let (name, minutes) = (&stream.name, again.as_secs() / 60);
    let text = format!("`{name}`: {}; it is tried again in {minutes} min", error.report());
    out.log(Level::Error, text).await
}

/// Tells how many lists inside objects do not show everything, and why.
pub(crate) async fn left_cut(
    left_cut: &BTreeMap<String, (usize, String)>,
    out: &mut Emitter,
) -> Result<(), Error> {
    for (stream, (count, why)) in left_cut {
        let text = format!("`{stream}`: {count} lists inside its objects are not whole: {why}");
        out.log(Level::Warn, text).await?;
    }
    Ok(())
}

const fn time_range(span: Span) -> TimeRange {
    TimeRange { gte: Some(span.gte), lt: Some(span.lt) }
}

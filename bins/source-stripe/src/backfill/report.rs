//! What a backfill tells: the order of messages around a page.

use std::collections::BTreeMap;

use connector::{Emitter, Error};
use protocol::{Level, TimeRange};

use super::stream::{Arrival, StreamPlan};
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
    stream: &StreamPlan,
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
    records(name, page, arrival.emit, out).await?;
    for (frame, child) in stream.children.iter().enumerate() {
        for brood in page.broods(arrival.emit, frame) {
            out.record_lines(&child.facts.name, &brood.lines, brood.count).await?;
        }
    }
    for name in stream.family() {
        if let Some(span) = arrival.read {
            out.range_complete(name, time_range(span)).await?;
        }
        out.state(name, &arrival.state).await?;
        if arrival.complete {
            out.complete(name).await?;
        }
    }
    Ok(())
}

/// Emits the records of the first `count` objects of a page.
pub(crate) async fn records(
    name: &str,
    page: &Page,
    count: usize,
    out: &mut Emitter,
) -> Result<(), Error> {
    let (pieces, mut uncounted) = page.records(count);
    for piece in pieces {
        out.record_lines(name, piece, std::mem::take(&mut uncounted)).await?;
    }
    Ok(())
}

/// Tells a stream of which nothing is asked for in this run. With a limit of no records something
/// remains, and it has no terminal status.
pub(crate) async fn nothing_left(stream: &mut StreamPlan, out: &mut Emitter) -> Result<(), Error> {
    start(stream, out).await?;
    for name in stream.family() {
        out.state(name, &stream.state()).await?;
        if stream.is_read() {
            out.complete(name).await?;
        }
    }
    Ok(())
}

/// Tells that a stream is not there for this account, and its children with it.
pub(crate) async fn skip(
    stream: &mut StreamPlan,
    reason: &str,
    out: &mut Emitter,
) -> Result<(), Error> {
    stream.ended = true;
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
    stream.ended = true;
    for name in stream.family() {
        out.stream_error(name, error).await?;
    }
    Ok(())
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

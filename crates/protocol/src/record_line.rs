//! The quick way to read record lines: one pass from a line's bytes to the members of its `data`.
//!
//! It takes lines as sources write them, in any order of fields. Of any other it says nothing, and
//! [`crate::Line`] reads the line or says what is wrong with it. What both read is the same.

use std::ops::Range;

use crate::marks::Marks;
use crate::record::{Origin, Prune};
use crate::scan::Member;
use crate::walk::{Key, Span, Walk};

/// Reads record lines; the memory for what is known of one line serves for the next.
#[derive(Debug, Default)]
pub struct RecordReader {
    spans: Vec<Span>,
    marks: Marks,
}

/// A record, borrowed from its line.
#[derive(Debug)]
pub struct RecordLine<'a> {
    /// Name of its stream.
    pub stream: &'a str,
    /// The object, its bytes as they came.
    pub data: &'a str,
    /// Where the object came from, when the source says so.
    pub origin: Option<Origin>,
    /// Children that no longer exist.
    pub prune: Vec<Prune>,
    /// Whether there is a `\u` escape in the line: without one, every text in it can be held.
    pub has_unicode_escape: bool,
    line: &'a str,
    from: usize,
    spans: &'a [Span],
}

impl RecordReader {
    /// The record in a line, if it is one and is written in the usual way.
    pub fn read<'a>(&'a mut self, line: &'a [u8]) -> Option<RecordLine<'a>> {
        let has_control = line.iter().fold(false, |found, byte| found | (*byte < b' '));
        let text = std::str::from_utf8(line).ok().filter(|_| !has_control)?;
        self.spans.clear();
        let mut parts = Parts::default();
        self.marks.find(line);
        let mut walk = Walk::new(line, &self.marks);
        let end = walk.members(walk.skip(0), |walk, key, at| {
            envelope(walk, text, key, at, (&mut parts, &mut self.spans))
        })?;
        if walk.skip(end) != line.len() || parts.type_name.is_none() {
            return None;
        }
        let origin = parts.origin.map(|span| serde_json::from_str(text.get(span)?).ok());
        let prune = parts.prune.map(|span| serde_json::from_str(text.get(span)?).ok());
        let data = parts.data?;
        Some(RecordLine {
            stream: text.get(parts.stream?)?,
            from: data.start,
            data: text.get(data)?,
            origin: origin.flatten(),
            prune: prune.flatten().unwrap_or_default(),
            has_unicode_escape: walk.saw_unicode_escape,
            line: text,
            spans: &self.spans,
        })
    }
}

impl<'a> RecordLine<'a> {
    /// The members of `data`, in order; their places are places in `data`.
    pub fn members(&self) -> impl Iterator<Item = Member<'a>> + use<'a> {
        let (line, from, spans) = (self.line, self.from, self.spans);
        spans.iter().filter_map(move |span| {
            Some(Member {
                raw_key: line.get(span.start + 1..span.key_end - 1)?,
                value: line.get(span.value..span.end)?,
                start: span.start - from,
                end: span.end - from,
                is_escaped: span.is_escaped,
            })
        })
    }
}

/// Where the parts of a record stand in its line.
#[derive(Debug, Default)]
struct Parts {
    type_name: Option<Range<usize>>,
    payload: Option<Range<usize>>,
    stream: Option<Range<usize>>,
    data: Option<Range<usize>>,
    emitted_at: Option<Range<usize>>,
    origin: Option<Range<usize>>,
    prune: Option<Range<usize>>,
}

/// Keeps where a part stands; a part that is there twice is not for us to judge.
fn keep(part: &mut Option<Range<usize>>, from: usize, end: usize) -> Option<usize> {
    part.replace(from..end).is_none().then_some(end)
}

/// What a line is read into.
type Into<'p> = (&'p mut Parts, &'p mut Vec<Span>);

fn envelope(
    walk: &mut Walk<'_>,
    line: &str,
    key: Key,
    at: usize,
    (parts, spans): Into<'_>,
) -> Option<usize> {
    match line.get(key.start..key.end)? {
        r#""record""# => {
            let end = walk.members(at, |walk, key, at| {
                payload(walk, line, key, at, (&mut *parts, &mut *spans))
            })?;
            keep(&mut parts.payload, at, end)
        }
        r#""type""# => {
            let end = walk.value(at, 0)?;
            (line.get(at..end)? == r#""record""#).then_some(())?;
            keep(&mut parts.type_name, at, end)
        }
        r#""_origin""# => keep(&mut parts.origin, at, walk.value(at, 0)?),
        r#""_prune""# => keep(&mut parts.prune, at, walk.value(at, 0)?),
        _ => None,
    }
}

fn payload(
    walk: &mut Walk<'_>,
    line: &str,
    key: Key,
    at: usize,
    (parts, spans): Into<'_>,
) -> Option<usize> {
    match line.get(key.start..key.end)? {
        r#""data""# => {
            let end = walk.members(at, |walk, key, value| {
                let end = walk.value(value, 0)?;
                let Key { start, end: key_end, is_escaped } = key;
                spans.push(Span { start, key_end, value, end, is_escaped });
                Some(end)
            })?;
            keep(&mut parts.data, at, end)
        }
        r#""stream""# => {
            let (end, is_escaped) = walk.string(at)?;
            (!is_escaped).then_some(())?;
            keep(&mut parts.stream, at + 1, end - 1)?;
            Some(end)
        }
        r#""emitted_at""# => {
            let (end, is_escaped) = walk.string(at)?;
            (!is_escaped).then_some(())?;
            keep(&mut parts.emitted_at, at, end)
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "record_line_tests.rs"]
mod tests;

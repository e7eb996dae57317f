//! Lists inside objects that show only their beginning: finding them, and putting the rest in place.
//!
//! Pure. A record line is looked into only if it holds such a list at all; everything else of it
//! stays byte for byte as it was.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::text::{Copier, Malformed};

/// What a list that goes on has in a line without white space.
const GOES_ON: &[u8] = br#""has_more":true"#;
/// How deep in a record line a list is looked for.
const MAX_DEPTH: usize = 10;

/// A list inside an object that shows only its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CutList {
    /// Where the whole of it is: a path, maybe with a query.
    pub(crate) url: String,
    /// Id of the last element that is shown.
    pub(crate) last_id: Option<String>,
    /// The shown elements in the line, without the brackets around them.
    shown: Range<usize>,
    /// The `true` of its `has_more` in the line.
    goes_on: Range<usize>,
}

/// Elements of a list, one after the other with commas between.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Elements {
    /// Their text, minified.
    pub(crate) text: Vec<u8>,
    /// Id of the last.
    pub(crate) last_id: Option<String>,
    /// Whether the list goes on after them.
    pub(crate) has_more: bool,
}

/// What goes into a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Filling {
    /// Elements that follow those that are shown.
    Rest(Vec<u8>),
    /// All elements.
    All(Vec<u8>),
}

/// A list as Stripe writes it, each element as its text.
#[derive(Deserialize)]
pub(crate) struct RawList<'a> {
    /// The elements.
    #[serde(borrow)]
    pub(crate) data: Vec<&'a RawValue>,
    /// Whether it goes on.
    pub(crate) has_more: bool,
}

impl RawList<'_> {
    /// Id of the last element, if it has one.
    pub(crate) fn last_id(&self) -> Option<String> {
        self.data.last().and_then(|last| id(last))
    }
}

#[derive(Deserialize)]
struct Identified {
    id: String,
}

impl Elements {
    /// Reads a page of a list.
    ///
    /// # Errors
    ///
    /// When the body is no whole list with `data` and `has_more`.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(body)
            .map_err(|error| Malformed::new(format!("a body that is no UTF-8: {error}")))?;
        let mut copier = Copier::new(text, text.len());
        copier.value()?;
        copier.end()?;
        let shown: RawList<'_> = serde_json::from_slice(&copier.out)
            .map_err(|_| Malformed::new("JSON that is no list with `data` and `has_more`"))?;
        let parts: Vec<&[u8]> = shown.data.iter().map(|part| part.get().as_bytes()).collect();
        let last_id = shown.last_id();
        Ok(Self { text: parts.join(&b','), last_id, has_more: shown.has_more })
    }

    /// Adds what follows.
    pub(crate) fn append(&mut self, next: &Self) {
        if !self.text.is_empty() && !next.text.is_empty() {
            self.text.push(b',');
        }
        self.text.extend_from_slice(&next.text);
        self.last_id.clone_from(&next.last_id);
        self.has_more = next.has_more;
    }
}

/// The lists in a record line that show only their beginning, as they stand in it.
pub(crate) fn cut_lists(line: &[u8]) -> Vec<CutList> {
    let mut found = Vec::new();
    if memchr::memmem::find(line, GOES_ON).is_some()
        && let Ok(text) = std::str::from_utf8(line)
    {
        walk(text, text.trim_end(), 0, &mut found);
    }
    found.sort_by_key(|list| list.shown.start);
    found
}

/// The line with these lists filled, and not going on any more.
pub(crate) fn fill(line: &[u8], fillings: &[(CutList, Filling)]) -> Vec<u8> {
    let mut edits: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
    for (list, filling) in fillings {
        edits.push((list.goes_on.clone(), b"false".to_vec()));
        edits.push(match filling {
            Filling::All(text) => (list.shown.clone(), text.clone()),
            Filling::Rest(text) => {
                let is_first = list.shown.is_empty() || text.is_empty();
                let comma: &[u8] = if is_first { b"" } else { b"," };
                (list.shown.end..list.shown.end, [comma, text].concat())
            }
        });
    }
    edits.sort_by_key(|(at, _)| at.start);
    let (mut out, mut from) = (Vec::new(), 0);
    for (at, text) in edits {
        out.extend_from_slice(line.get(from..at.start).unwrap_or_default());
        out.extend_from_slice(&text);
        from = at.end;
    }
    out.extend_from_slice(line.get(from..).unwrap_or_default());
    out
}

fn walk(line: &str, value: &str, depth: usize, found: &mut Vec<CutList>) {
    // Where nothing goes on, nothing has to be read.
    if depth > MAX_DEPTH || memchr::memmem::find(value.as_bytes(), GOES_ON).is_none() {
        return;
    }
    if let Ok(parts) = serde_json::from_str::<Vec<&RawValue>>(value) {
        for part in parts {
            walk(line, part.get(), depth + 1, found);
        }
        return;
    }
    let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(value) else { return };
    if let Some(list) = cut_list(line, &members) {
        found.push(list);
        return;
    }
    for member in members.values() {
        walk(line, member.get(), depth + 1, found);
    }
}

fn cut_list(line: &str, members: &BTreeMap<String, &RawValue>) -> Option<CutList> {
    let is = |name: &str, text: &str| members.get(name).is_some_and(|raw| raw.get() == text);
    if !is("object", "\"list\"") || !is("has_more", "true") {
        return None;
    }
    let data = members.get("data")?;
    let elements: Vec<&RawValue> = serde_json::from_str(data.get()).ok()?;
    let array = place(line, data.get())?;
    Some(CutList {
        url: serde_json::from_str(members.get("url")?.get()).ok()?,
        last_id: elements.last().and_then(|last| id(last)),
        shown: array.start.checked_add(1)?..array.end.checked_sub(1)?,
        goes_on: place(line, members.get("has_more")?.get())?,
    })
}

/// Where a part of a line stands in it.
fn place(line: &str, part: &str) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(line.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= line.len()).then_some(start..end)
}

fn id(element: &RawValue) -> Option<String> {
    serde_json::from_str::<Identified>(element.get()).ok().map(|found| found.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = concat!(
        r#"{"type":"record","record":{"stream":"invoices","data":{"id":"in_1","rate":1.10,"#,
        r#""note":"\"has_more\":true","lines":{"object":"list","data":[{"id":"il_1","x":1.0},{"id":"il_2"}],"#,
        r#""has_more":true,"url":"/v1/invoices/in_1/lines"},"deep":{"up":{"has_more":true,"object":"list","#,
        r#""data":[],"url":"/v1/x?y=z"}},"whole":{"object":"list","data":[],"has_more":false}}}}"#,
        "\n"
    );

    #[test]
    fn the_rest_is_put_in_place_and_nothing_else_changes() {
        let lists = cut_lists(LINE.as_bytes());
        let seen: Vec<_> = lists.iter().map(|l| (l.url.as_str(), l.last_id.as_deref())).collect();
        assert_eq!(seen, [("/v1/invoices/in_1/lines", Some("il_2")), ("/v1/x?y=z", None)]);
        let filled: Vec<_> = lists
            .into_iter()
            .zip([
                Filling::Rest(br#"{"id":"il_3"}"#.to_vec()),
                Filling::All(br#"{"id":7}"#.to_vec()),
            ])
            .collect();
        let line = String::from_utf8(fill(LINE.as_bytes(), &filled)).unwrap();
        let expected = LINE
            .replace(r#"{"id":"il_2"}]"#, r#"{"id":"il_2"},{"id":"il_3"}]"#)
            .replace(r#""data":[],"url":"/v1/x"#, r#""data":[{"id":7}],"url":"/v1/x"#)
            .replace(r#"],"has_more":true,"url""#, r#"],"has_more":false,"url""#)
            .replace(r#"{"has_more":true,"object""#, r#"{"has_more":false,"object""#);
        assert_eq!(line, expected);
        assert_eq!(cut_lists(line.as_bytes()), []);
    }

    #[test]
    fn a_word_in_a_text_is_no_list() {
        let line = br#"{"a":"\"has_more\":true","b":{"object":"list","has_more":false,"data":[]}}"#;
        assert_eq!(cut_lists(line), []);
        assert_eq!(cut_lists(br#"{"data":[{"id":"a"}],"has_more":true}"#), [], "not a list inside");
    }

    #[test]
    fn elements_keep_their_bytes() {
        let body = b"{\n  \"object\": \"list\",\n  \"data\": [ {\"id\": \"a\", \"n\": 1.10}, {\"id\": \"b\"} ],\n  \"has_more\": true\n}";
        let mut elements = Elements::read(body).unwrap();
        assert_eq!(elements.text, br#"{"id":"a","n":1.10},{"id":"b"}"#);
        assert_eq!((elements.last_id.as_deref(), elements.has_more), (Some("b"), true));
        elements.append(&Elements { text: b"{}".to_vec(), last_id: None, has_more: false });
        assert_eq!(elements.text, br#"{"id":"a","n":1.10},{"id":"b"},{}"#);
        for broken in ["", "<html>", "{}", r#"{"data":[],"has_more":false"#] {
            assert!(Elements::read(broken.as_bytes()).is_err(), "{broken}");
        }
    }
}

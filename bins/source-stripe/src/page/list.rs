//! One page of a list: `{"object":"list","data":[…],"has_more":…}`.

use std::collections::BTreeMap;
use std::ops::Range;

use protocol::{Origin, Prune, Timestamp};

use url::form_urlencoded;

use super::children::{Brood, ChildFrame, with_prune};
use super::text::{Copier, Malformed, Span};

/// What stands around every object of a page: the parts of a record line that do not change.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    sort_field: Option<String>,
    head: Vec<u8>,
    account: Vec<u8>,
}

/// What a page's records are stamped with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    /// `_updated_at` of an object that has no `updated` of its own, unix seconds.
    pub(crate) updated_at: i64,
    /// `emitted_at` of the records.
    pub(crate) emitted_at: Timestamp,
}

/// How an object came, which decides its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// On a page: its own `updated` is its version.
    Listed,
    /// In an event, likewise.
    Told,
    /// In an event that tells its end: the later of `updated` and the stamp is its version.
    Deleted,
    /// Asked for by id, likewise: an answer is newer than what was known when it was asked for.
    Fetched,
}

/// Record lines ready to be emitted, and what the planner has to know of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Page {
    /// Whether the list goes on after this page.
    pub(crate) has_more: bool,
    /// The token of the next page of a v2 list.
    next: Option<String>,
    lines: Vec<u8>,
    items: Vec<Item>,
    /// Lines that were written anew, by the number of their object.
    replaced: BTreeMap<usize, Vec<u8>>,
    left_cut: Vec<String>,
    /// Bytes of the answer that it was read from.
    body: usize,
    /// Children: of which object, of which frame, and they.
    broods: Vec<(usize, usize, Brood)>,
    /// What was read under its objects, where it is a page of parents.
    offspring: Option<Offspring>,
    /// Whether it was cut before its end.
    is_cut: bool,
    /// Whether it is the end of an object, and of its children with it.
    is_end: bool,
}

/// Objects read under parents, ready to be emitted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Offspring {
    /// Their record lines.
    pub(crate) lines: Vec<u8>,
    /// How many they are.
    pub(crate) count: u64,
}

/// One object of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// When it was created, unix seconds, if the object says so.
    pub(crate) sort: Option<i64>,
    id: Range<usize>,
    end: usize,
}

impl Frame {
    /// The frame of one stream's records.
    pub(crate) fn new(stream: &str, account_id: &str, sort_field: Option<&str>) -> Self {
        let stream = serde_json::Value::from(stream);
        let account = serde_json::Value::from(account_id);
        Self {
            sort_field: sort_field.map(str::to_owned),
            head: format!(r#"{{"type":"record","record":{{"stream":{stream},"data":"#).into(),
            account: format!(r#""_account_id":{account},"_updated_at":"#).into(),
        }
    }
}

impl Page {
    /// Reads a list's body into record lines: a page of v1 or of v2.
    ///
    /// # Errors
    ///
    /// When the body is no whole list with `data` and `has_more`, or an object in it has no `id`.
    pub(crate) fn read(body: &[u8], frame: &Frame, stamp: Stamp) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(body)
            .map_err(|error| Malformed::new(format!("a body that is no UTF-8: {error}")))?;
        if text.trim_start().is_empty() {
            return Err(Malformed::new("an empty body"));
        }
        if text.trim_start().starts_with('<') {
            return Err(Malformed::new("a web page instead of JSON"));
        }
        let page = Reader::new(text).list(frame, &Tail::new(stamp, Way::Listed))?;
        Ok(Self { body: body.len(), ..page })
    }

    /// One object as a page of its own.
    ///
    /// # Errors
    ///
    /// When the text is no object with an `id`.
    pub(crate) fn of_object(
        text: &str,
        frame: &Frame,
        stamp: Stamp,
        way: Way,
    ) -> Result<Self, Malformed> {
        let mut reader = Reader::new(text);
        reader.object(frame, &Tail::new(stamp, way))?;
        reader.copier.end()?;
        let is_end = way == Way::Deleted || reader.is_stub;
        let (lines, items) = (reader.copier.out, reader.items);
        Ok(Self { lines, items, is_end, ..Self::default() })
    }

    /// How many objects it holds.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Its objects, in the order of the list.
    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }

    /// The id of object `index`, if there is one.
    pub(crate) fn id(&self, index: usize) -> Option<String> {
        let raw = self.lines.get(self.items.get(index)?.id.clone())?;
        serde_json::from_slice(raw).ok()
    }

    /// The token of the next page of a v2 list.
    pub(crate) fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// The lines of the first `count` records, in pieces.
    pub(crate) fn lines(&self, count: usize) -> Vec<&[u8]> {
        let (mut pieces, mut from) = (Vec::new(), 0);
        for (index, line) in self.replaced.range(..count) {
            pieces.push(self.lines.get(from..self.start(*index)).unwrap_or_default());
            pieces.push(line.as_slice());
            from = self.start(index.saturating_add(1));
        }
        pieces.push(self.lines.get(from..self.start(count)).unwrap_or_default());
        pieces
    }

    /// What is to be emitted for its first `count` objects: record lines in pieces, and how many
    /// records they are. Of a page of parents it is what was read under them.
    pub(crate) fn records(&self, count: usize) -> (Vec<&[u8]>, u64) {
        match &self.offspring {
            Some(offspring) => (vec![offspring.lines.as_slice()], offspring.count),
            None => (self.lines(count), u64::try_from(count).unwrap_or(u64::MAX)),
        }
    }

    /// Makes it a page of parents: what was read under them takes the place of their own lines.
    pub(crate) fn bring(&mut self, offspring: Offspring) {
        self.offspring = Some(offspring);
    }

    /// A page of nothing but what was read under parents.
    pub(crate) fn of_offspring(offspring: Offspring) -> Self {
        Self { offspring: Some(offspring), ..Self::default() }
    }

    /// Takes over why lists are cut inside objects of another page.
    pub(crate) fn take_over_cuts(&mut self, other: &Self) {
        self.left_cut.extend_from_slice(&other.left_cut);
    }

    /// The line of object `index`, if there is one.
    pub(crate) fn line(&self, index: usize) -> Option<&[u8]> {
        let own = || self.lines.get(self.start(index)..self.items.get(index)?.end);
        self.replaced.get(&index).map(Vec::as_slice).or_else(own)
    }

    /// Puts another line in the place of an object's; `left` says why lists in it are still cut.
    pub(crate) fn replace(&mut self, index: usize, line: Vec<u8>, left: Vec<String>) {
        self.replaced.insert(index, line);
        self.left_cut.extend(left);
    }

    /// Takes the children out of the objects' lists; an object whose list is whole says which of
    /// its children are still there.
    pub(crate) fn breed(&mut self, frames: &[ChildFrame]) {
        let parents = if frames.is_empty() { 0 } else { self.len() };
        for index in 0..parents {
            let line = self.line(index).unwrap_or_default();
            let broods = frames.iter().map(|frame| match self.is_end {
                true => frame.nobody(line),
                false => frame.brood(line),
            });
            let broods: Vec<(usize, Brood)> = (0..)
                .zip(broods)
                .filter_map(|(frame, brood)| brood.map(|brood| (frame, brood)))
                .collect();
            let prune: Vec<Prune> =
                broods.iter().filter_map(|(_, brood)| brood.prune.clone()).collect();
            let told = (!prune.is_empty()).then(|| with_prune(line, &prune)).flatten();
            if let Some(line) = told {
                self.replaced.insert(index, line);
            }
            self.broods.extend(broods.into_iter().map(|(frame, brood)| (index, frame, brood)));
        }
    }

    /// The children of one frame in the first `count` objects.
    pub(crate) fn broods(&self, count: usize, frame: usize) -> impl Iterator<Item = &Brood> {
        let of = self.broods.iter().filter(move |(index, of, _)| *index < count && *of == frame);
        of.map(|(_, _, brood)| brood)
    }

    /// Leaves out the objects from `count` on: they are for another page.
    pub(crate) fn cut_off(&mut self, count: usize) {
        self.has_more |= count < self.items.len();
        self.is_cut |= count < self.items.len();
        self.next = None;
        self.items.truncate(count);
    }

    /// Whether objects were left out at its end.
    pub(crate) const fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Why lists inside its objects do not show everything, one reason a list.
    pub(crate) fn left_cut(&self) -> &[String] {
        &self.left_cut
    }

    /// Bytes it takes: as an answer that arrives, or as lines that wait, whichever is more.
    pub(crate) fn bytes(&self) -> usize {
        if let Some(offspring) = &self.offspring {
            return offspring.lines.len();
        }
        let broods = self.broods.iter().map(|(_, _, brood)| brood.lines.len());
        let more: usize = self.replaced.values().map(Vec::len).chain(broods).sum();
        self.lines.len().saturating_add(more).max(self.body)
    }

    /// Where the line of object `index` starts.
    fn start(&self, index: usize) -> usize {
        let before = index.checked_sub(1).and_then(|before| self.items.get(before));
        before.map_or(0, |item| item.end)
    }
}

#[cfg(test)]
impl Page {
    /// A page of nothing but ids, `o17`, and creation times.
    pub(crate) fn of(objects: &[(u64, i64)], has_more: bool) -> Self {
        let mut page = Self { has_more, ..Self::default() };
        for (number, created) in objects {
            let from = page.lines.len();
            page.lines.extend_from_slice(format!("\"o{number}\"").as_bytes());
            let end = page.lines.len();
            page.items.push(Item { sort: Some(*created), id: from..end, end });
        }
        page
    }
}

/// What closes every record line.
struct Tail {
    updated_at: i64,
    way: Way,
    close: Vec<u8>,
}

impl Tail {
    fn new(stamp: Stamp, way: Way) -> Self {
        let origin = match way {
            Way::Listed => Origin::List,
            Way::Told | Way::Deleted => Origin::Event,
            Way::Fetched => Origin::Fetch,
        };
        let origin = serde_json::to_string(&origin).unwrap_or_default();
        let close = format!(r#"}},"emitted_at":"{}"}},"_origin":{origin}}}"#, stamp.emitted_at);
        let mut close = close.into_bytes();
        close.push(b'\n');
        Self { updated_at: stamp.updated_at, way, close }
    }

    fn updated_at(&self, own: Option<i64>) -> i64 {
        match self.way {
            Way::Listed | Way::Told => own.unwrap_or(self.updated_at),
            Way::Deleted | Way::Fetched => {
                own.map_or(self.updated_at, |own| own.max(self.updated_at))
            }
        }
    }
}

struct Reader<'a> {
    copier: Copier<'a>,
    items: Vec<Item>,
    /// Whether the last object said of itself that it is deleted.
    is_stub: bool,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self { copier: Copier::new(text, text.len()), items: Vec::new(), is_stub: false }
    }

    fn list(mut self, frame: &Frame, tail: &Tail) -> Result<Page, Malformed> {
        let (mut has_data, mut has_more, mut next) = (false, None, None);
        self.copier.pass(b'{')?;
        while self.copier.peek() != Some(b'}') {
            let start = self.copier.out.len();
            let key = self.copier.string()?;
            let name = self.text(&key).to_vec();
            self.copier.out.truncate(start);
            self.copier.pass(b':')?;
            match name.as_slice() {
                b"\"data\"" if !has_data => {
                    self.data(frame, tail)?;
                    has_data = true;
                }
                b"\"has_more\"" => has_more = self.boolean()?,
                b"\"next_page_url\"" => {
                    next = self.token()?;
                    has_more = Some(next.is_some());
                }
                _ => self.skip()?,
            }
            if self.copier.peek() != Some(b'}') {
                self.copier.pass(b',')?;
                self.refuse_trailing_comma()?;
            }
        }
        self.copier.pass(b'}')?;
        self.copier.end()?;
        let (true, Some(has_more)) = (has_data, has_more) else {
            return Err(Malformed::new("JSON that is no list with `data` and `has_more`"));
        };
        let (mut lines, items) = (self.copier.out, self.items);
        // It may wait long for its turn, with room for white space that it does not have.
        lines.shrink_to_fit();
        Ok(Page { has_more, next, lines, items, ..Page::default() })
    }

    fn refuse_trailing_comma(&mut self) -> Result<(), Malformed> {
        if self.copier.peek() == Some(b'}') {
            return Err(self.copier.broken("a string was expected"));
        }
        Ok(())
    }

    fn data(&mut self, frame: &Frame, tail: &Tail) -> Result<(), Malformed> {
        if self.copier.peek() != Some(b'[') {
            return Err(Malformed::new("a list whose `data` is no array"));
        }
        self.copier.pass(b'[')?;
        if self.copier.peek() == Some(b']') {
            return self.copier.pass(b']');
        }
        loop {
            self.object(frame, tail)?;
            if self.copier.peek() != Some(b',') {
                return self.copier.pass(b']');
            }
            self.copier.pass(b',')?;
        }
    }

    /// Copies one object into a record line, with our fields at its end.
    fn object(&mut self, frame: &Frame, tail: &Tail) -> Result<(), Malformed> {
        let sort_field = frame.sort_field.as_deref().unwrap_or_default().as_bytes();
        let (mut id, mut sort, mut updated) = (None, None, None);
        self.copier.out.extend_from_slice(&frame.head);
        self.copier.copy(b'{')?;
        let mut goes_on = self.copier.peek() != Some(b'}');
        while goes_on {
            let start = self.copier.out.len();
            let key = self.copier.string()?;
            self.copier.copy(b':')?;
            let value = self.copier.value()?;
            match unquoted(self.text(&key)) {
                b"id" => id = Some(value),
                b"updated" => updated = self.integer(&value),
                b"deleted" if tail.way == Way::Deleted => self.copier.out.truncate(start),
                b"deleted" => self.is_stub = self.text(&value) == b"true",
                name if name == sort_field => sort = self.integer(&value),
                _ => {}
            }
            goes_on = self.copier.comma_or(b'}')?;
            self.mend(start);
        }
        let id = id.filter(|id| self.text(id).starts_with(b"\""));
        let Some(id) = id else {
            return Err(Malformed::new("a list with an object that has no `id`"));
        };
        self.close(frame, tail, updated);
        self.items.push(Item { sort, id, end: self.copier.out.len() });
        Ok(())
    }

    /// Takes the comma away that is one too many where a member was left out.
    fn mend(&mut self, start: usize) {
        let out = &mut self.copier.out;
        if out.len() == start.saturating_add(1) {
            let last = out.pop();
            if last == Some(b'}') && out.ends_with(b",") {
                out.pop();
            }
            out.extend(last.filter(|last| *last == b'}'));
        }
    }

    /// Puts our fields in the place of the object's closing brace, and ends the line.
    fn close(&mut self, frame: &Frame, tail: &Tail, updated: Option<i64>) {
        let out = &mut self.copier.out;
        out.pop();
        out.push(b',');
        if tail.way == Way::Deleted {
            out.extend_from_slice(br#""deleted":true,"#);
        }
        out.extend_from_slice(&frame.account);
        out.extend_from_slice(tail.updated_at(updated).to_string().as_bytes());
        out.extend_from_slice(&tail.close);
    }

    fn boolean(&mut self) -> Result<Option<bool>, Malformed> {
        let start = self.copier.out.len();
        let value = self.copier.value()?;
        let found = match self.text(&value) {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        };
        self.copier.out.truncate(start);
        Ok(found)
    }

    /// The token in the address of the next page; none at the end of the list.
    fn token(&mut self) -> Result<Option<String>, Malformed> {
        let start = self.copier.out.len();
        let value = self.copier.value()?;
        let url: Option<String> = serde_json::from_slice(self.text(&value))
            .map_err(|_| Malformed::new("a list whose `next_page_url` is no text"))?;
        self.copier.out.truncate(start);
        let Some(url) = url else { return Ok(None) };
        let (_, query) = url.split_once('?').unwrap_or_default();
        let mut pairs = form_urlencoded::parse(query.as_bytes()).into_owned();
        let token = pairs.find(|(name, _)| name == "page").map(|(_, token)| token);
        token.map(Some).ok_or_else(|| Malformed::new("a list whose `next_page_url` has no `page`"))
    }

    fn skip(&mut self) -> Result<(), Malformed> {
        let start = self.copier.out.len();
        self.copier.value()?;
        self.copier.out.truncate(start);
        Ok(())
    }

    fn text(&self, span: &Span) -> &[u8] {
        self.copier.out.get(span.clone()).unwrap_or_default()
    }

    fn integer(&self, span: &Span) -> Option<i64> {
        std::str::from_utf8(self.text(span)).ok()?.parse().ok()
    }
}

fn unquoted(token: &[u8]) -> &[u8] {
    token.get(1..token.len().saturating_sub(1)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn page(body: &str) -> Result<Page, Malformed> {
        let stamp = Stamp { updated_at: 90, emitted_at: Timestamp::from_seconds(100) };
        Page::read(body.as_bytes(), &Frame::new("customers", "acct_1", Some("created")), stamp)
    }

    fn object(text: &str, way: Way) -> String {
        let stamp = Stamp { updated_at: 90, emitted_at: Timestamp::from_seconds(100) };
        let page = Page::of_object(text, &Frame::new("plans", "acct_1", None), stamp, way).unwrap();
        let line = String::from_utf8(page.lines(1).concat()).unwrap();
        let data = line.split_once(r#""data":"#).unwrap().1.split_once(r#","emitted_at""#).unwrap();
        let origin = data.1.rsplit_once(r#""_origin":""#).unwrap().1.split('"').next().unwrap();
        format!("{} {origin}", data.0)
    }

    #[test]
    fn an_event_and_a_list_make_the_same_line_of_an_object() {
        let text = "{ \"id\": \"p\",\n \"n\": 1.10, \"updated\": 80 }";
        assert_eq!(
            object(text, Way::Told),
            r#"{"id":"p","n":1.10,"updated":80,"_account_id":"acct_1","_updated_at":80} event"#
        );
        assert_eq!(
            object(text, Way::Fetched),
            r#"{"id":"p","n":1.10,"updated":80,"_account_id":"acct_1","_updated_at":90} fetch"#
        );
        assert!(
            object(r#"{"id":"p","updated":95}"#, Way::Fetched).contains(r#""_updated_at":95}"#)
        );
    }

    #[test]
    fn the_end_of_an_object_is_marked_once() {
        let end = r#""id":"p","deleted":true,"_account_id":"acct_1","_updated_at":90} event"#;
        for text in [
            r#"{"id":"p"}"#,
            r#"{"id":"p","deleted":false}"#,
            r#"{"deleted":false,"id":"p"}"#,
            r#"{"deleted":null, "id":"p", "deleted":true}"#,
        ] {
            assert_eq!(object(text, Way::Deleted), format!("{{{end}"), "{text}");
        }
        assert!(
            object(r#"{"id":"p","updated":95}"#, Way::Deleted).contains(r#""_updated_at":95}"#)
        );
        let stub = r#"{"id":"p","object":"plan","deleted":true}"#;
        assert!(object(stub, Way::Fetched).starts_with(stub.strip_suffix('}').unwrap()));
    }

    #[test]
    fn objects_become_record_lines_byte_for_byte() {
        let body = "{\n  \"object\": \"list\",\n  \"data\": [\n    {\n      \"id\": \"cus_2\",\n      \"created\": 7,\n      \
                    \"rate\": 1.10,\n      \"tags\": [ ],\n      \"name\": \"a  \\u0000b\"\n    }, {\"id\":\"cus_1\",\"created\":6,\"updated\":55}\n  ],\n  \
                    \"has_more\": true,\n  \"url\": \"/v1/customers\"\n}\n";
        let page = page(body).unwrap();
        let expected = concat!(
            r#"{"type":"record","record":{"stream":"customers","data":{"id":"cus_2","created":7,"rate":1.10,"tags":[],"name":"a  \u0000b","_account_id":"acct_1","_updated_at":90},"emitted_at":"1970-01-01T00:01:40.000Z"},"_origin":"list"}"#,
            "\n",
            r#"{"type":"record","record":{"stream":"customers","data":{"id":"cus_1","created":6,"updated":55,"_account_id":"acct_1","_updated_at":55},"emitted_at":"1970-01-01T00:01:40.000Z"},"_origin":"list"}"#,
            "\n",
        );
        assert_eq!(String::from_utf8(page.lines(2).concat()).unwrap(), expected);
        assert_eq!(page.lines(1).concat().iter().filter(|byte| **byte == b'\n').count(), 1);
        assert_eq!((page.lines(0).concat(), page.has_more, page.len()), (Vec::new(), true, 2));
        assert_eq!((page.id(0), page.id(2)), (Some("cus_2".to_owned()), None));
        assert_eq!(
            page.items().iter().map(|item| item.sort).collect::<Vec<_>>(),
            [Some(7), Some(6)]
        );
    }

    #[test]
    fn a_line_is_what_the_protocol_writes() {
        let body =
            json!({"object": "list", "has_more": false, "data": [{"id": "cus_1"}]}).to_string();
        let page = page(&body).unwrap();
        let raw = page.line(0).unwrap().strip_suffix(b"\n").unwrap();
        let line = protocol::Line::parse(raw).unwrap();
        let mut written = Vec::new();
        line.record().unwrap().encode(&mut written);
        assert_eq!(written, page.lines(1).concat());
        assert_eq!(protocol::peek_record_stream(raw), Some("customers"));
    }

    #[test]
    fn a_body_that_is_no_whole_list_gives_no_records() {
        let object = |value: Value| value.to_string();
        for (body, why) in [
            (String::new(), "an empty body"),
            ("<html></html>".to_owned(), "a web page instead of JSON"),
            (object(json!({"object": "list"})), "JSON that is no list with `data` and `has_more`"),
            (
                object(json!({"data": [], "has_more": "no"})),
                "JSON that is no list with `data` and `has_more`",
            ),
            (object(json!({"data": {}, "has_more": false})), "a list whose `data` is no array"),
            (
                object(json!({"data": [{"id": 1}], "has_more": false})),
                "a list with an object that has no `id`",
            ),
            (
                "{\"data\":[{\"id\":\"a\"}],\"has_more\":false".to_owned(),
                "a body that was cut after 37 bytes",
            ),
            ("[]".to_owned(), "a body that is no JSON: at byte 0, `{` was expected"),
        ] {
            assert_eq!(page(&body).unwrap_err().0, why, "{body}");
        }
    }

    #[test]
    fn a_line_can_be_written_anew_and_a_page_can_end_earlier() {
        let object = |id: &str| json!({"id": id, "created": 1});
        let body = json!({"data": [object("a"), object("b"), object("c")], "has_more": false});
        let mut page = page(&body.to_string()).unwrap();
        let whole = page.lines(3).concat();
        page.replace(1, b"{}\n".to_vec(), vec!["why".to_owned()]);
        let lines = page.lines(3).concat();
        let lines: Vec<&[u8]> = lines.split_inclusive(|byte| *byte == b'\n').collect();
        assert_eq!(lines.len(), 3);
        assert!(whole.starts_with(lines[0]) && lines[1] == b"{}\n" && whole.ends_with(lines[2]));
        assert_eq!(page.lines(1).concat(), lines[0]);
        assert_eq!((page.id(1).as_deref(), page.left_cut().len()), (Some("b"), 1));
        page.cut_off(2);
        assert_eq!(
            (page.len(), page.has_more, page.lines(2).concat()),
            (2, true, lines[..2].concat())
        );
    }

    #[test]
    fn a_v2_list_goes_on_by_token() {
        let body = |next: Value| json!({"data": [{"id": "a"}], "next_page_url": next}).to_string();
        let more = page(&body(json!("/v2/core/accounts?limit=1&page=page_x%3D"))).unwrap();
        assert_eq!((more.has_more, more.next()), (true, Some("page_x=")));
        let last = page(&body(Value::Null)).unwrap();
        assert_eq!((last.has_more, last.next()), (false, None));
        assert!(page(&body(json!("/v2/core/accounts"))).is_err());
        assert!(page(&body(json!(7))).is_err());
    }

    #[test]
    fn every_cut_is_noticed() {
        let body = json!({"data": [{"id": "a", "created": 1}, {"id": "b"}], "has_more": false, "url": "/"});
        let body = body.to_string();
        for end in 0..body.len() {
            let cut: String = body.chars().take(end).collect();
            assert!(page(&cut).is_err(), "{cut}");
        }
        assert!(page(&body).is_ok());
    }

    #[test]
    fn commas_too_many_are_no_list() {
        for body in [
            r#"{"data":[],"has_more":false,}"#,
            r#"{"data":[{"id":"a"},],"has_more":false}"#,
            r#"{"data":[{"id":"a",}],"has_more":false}"#,
        ] {
            assert!(page(body).is_err(), "{body}");
        }
    }
}

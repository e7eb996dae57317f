//! A record as a destination keeps it: key, stamp, deleted mark, hash, and the document's bytes.

use std::ops::Range;

use protocol::{Origin, Record};
use smallvec::{SmallVec, smallvec};
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use crate::fields::Meaning;
use crate::plan::StreamPlan;
use crate::scan::{Member, members};
use crate::shape::{self, Misfit, with_unfit};
use crate::version::Version;

/// The values that identify a record, as text, in the key's order.
pub type Key = Vec<String>;

/// One version of a record, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What the version rule needs.
    pub version: Version,
    /// The object as it came, without the stream's `newer_than_field`.
    pub document: String,
}

impl Row {
    /// The record's data again, as far as it can be had: with the stamp where it was taken out.
    #[must_use]
    pub fn record(&self, plan: &StreamPlan) -> String {
        if plan.shape().keeps_stamp {
            return self.document.clone();
        }
        let field = serde_json::Value::from(plan.stream().newer_than_field.as_str());
        let body = self.document.trim_end();
        let body = body.strip_suffix('}').unwrap_or(body);
        format!("{body},{field}:{}}}", self.version.stamp)
    }
}

/// Why a record cannot be stored; the stream goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    reason: String,
    /// The key, as far as it could be read.
    key: Option<Key>,
}

impl Refusal {
    pub(crate) const fn of(reason: String) -> Self {
        Self { reason, key: None }
    }

    pub(crate) fn key(&self) -> Key {
        self.key.clone().unwrap_or_default()
    }
}

/// A record as read, and what had to be changed about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) key: Key,
    pub(crate) row: Row,
    /// Values set to null because their column does not take them.
    pub(crate) unfit: u64,
    /// Characters that no text can hold.
    pub(crate) replaced: u64,
}

/// What came in of a record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Came<'a> {
    pub(crate) data: &'a str,
    pub(crate) origin: Option<Origin>,
    /// Whether there may be characters in it that no text can hold.
    pub(crate) is_suspicious: bool,
}

/// Reads key, stamp and deleted mark of a record, in one walk over its top level.
///
/// # Errors
///
/// When a key value or the stamp is missing, or a value is not one of those the catalog allows.
pub fn read_row(plan: &StreamPlan, record: &Record<'_>) -> Result<(Key, Row), Refusal> {
    let data = record.data.get();
    let came = Came { data, origin: record.origin, is_suspicious: true };
    read(plan, came, members(data)).map(|reading| (reading.key, reading.row))
}

/// The same for a record whose members are known.
pub(crate) fn read<'a>(
    plan: &StreamPlan,
    came: Came<'a>,
    known: impl Iterator<Item = Member<'a>>,
) -> Result<Reading, Refusal> {
    let replaces = came.is_suspicious && plan.shape().replaces_characters;
    let Some((text, replaced)) = replaces.then(|| shape::replaced(came.data)).flatten() else {
        return fit(plan, came, known, 0);
    };
    fit(plan, Came { data: &text, ..came }, members(&text), replaced)
}

fn fit<'a>(
    plan: &StreamPlan,
    came: Came<'a>,
    known: impl Iterator<Item = Member<'a>>,
    replaced: u64,
) -> Result<Reading, Refusal> {
    let first = walk(plan, came.data, known);
    if first.misfits.is_empty() {
        let (key, row) = first.row(plan, came.origin)?;
        return Ok(Reading { key, row, unfit: 0, replaced });
    }
    let unfit = u64::try_from(first.misfits.len()).unwrap_or(u64::MAX);
    let fitting = with_unfit(came.data, first.misfits);
    let (key, row) = walk(plan, &fitting, members(&fitting)).row(plan, came.origin)?;
    Ok(Reading { key, row, unfit, replaced })
}

fn walk<'a>(
    plan: &StreamPlan,
    text: &'a str,
    known: impl Iterator<Item = Member<'a>>,
) -> Found<'a> {
    let mut found = Found {
        text,
        newer_than: None,
        key: smallvec![None; plan.key.len()],
        limited: smallvec![None; plan.enums.len()],
        deleted: false,
        has_more: false,
        misfits: Vec::new(),
        content: Content::of(text),
    };
    for member in known {
        found.take(plan, &member);
    }
    found
}

/// Parts of a key, and fields whose values are limited, for which no memory has to be asked.
const FEW: usize = 3;

struct Found<'a> {
    text: &'a str,
    /// Text and place of the `newer_than_field`.
    newer_than: Option<Member<'a>>,
    /// The value of the first field of each part of the key.
    key: SmallVec<[Option<&'a str>; FEW]>,
    /// The value of each field whose values are limited.
    limited: SmallVec<[Option<&'a str>; FEW]>,
    deleted: bool,
    /// Whether there is anything beyond what a stub has.
    has_more: bool,
    misfits: Vec<Misfit>,
    content: Content<'a>,
}

impl<'a> Found<'a> {
    fn take(&mut self, plan: &StreamPlan, member: &Member<'a>) {
        let Some(meaning) = plan.fields.of_member(member) else {
            self.has_more = self.has_more || !is_stub_field(member);
            return self.content.take(member.start..member.end);
        };
        if meaning.is_stamp {
            self.newer_than = Some(*member);
            return self.content.leave_out();
        }
        self.take_special(plan, member, meaning);
    }

    fn take_special(&mut self, plan: &StreamPlan, member: &Member<'a>, meaning: Meaning) {
        if meaning.is_key || meaning.is_limited {
            self.take_key(plan, member);
        }
        if meaning.is_mark {
            self.deleted = member.value == "true";
        } else if !self.has_more && !meaning.is_key && !is_stub_field(member) {
            self.has_more = true;
        }
        // What was found unfit of a property that is there again is forgotten: the last counts.
        if !self.misfits.is_empty() {
            self.misfits.retain(|misfit| !member.is(&misfit.name));
        }
        if let Some(misfit) = meaning.typed.and_then(|typed| Misfit::of(member, typed)) {
            self.misfits.push(misfit);
        }
        if meaning.is_volatile {
            self.content.leave_out();
        } else {
            self.content.take(member.start..member.end);
        }
    }

    fn take_key(&mut self, plan: &StreamPlan, member: &Member<'a>) {
        for (path, slot) in plan.key.iter().zip(&mut self.key) {
            if path.first().is_some_and(|name| member.is(name)) {
                *slot = Some(member.value);
            }
        }
        for ((field, _), slot) in plan.enums.iter().zip(&mut self.limited) {
            if member.is(field) {
                *slot = Some(member.value);
            }
        }
    }

    fn row(&self, plan: &StreamPlan, origin: Option<Origin>) -> Result<(Key, Row), Refusal> {
        let key = self.key_values(plan)?;
        let refuse = |refusal: Refusal| Refusal { key: Some(key.clone()), ..refusal };
        self.check_enums(plan).map_err(refuse)?;
        let version = Version {
            stamp: self.stamp(plan, &key).map_err(refuse)?,
            content: self.content.digest(),
            deleted: self.deleted,
            stub: self.deleted && !self.has_more,
            origin,
        };
        let stamp = self.newer_than.filter(|_| !plan.shape().keeps_stamp);
        let document = stamp.map_or_else(|| self.text.to_owned(), |stamp| self.without(&stamp));
        Ok((key, Row { version, document }))
    }

    fn key_values(&self, plan: &StreamPlan) -> Result<Key, Refusal> {
        let value = |(path, found): (&Vec<String>, &Option<&str>)| {
            let rest = path.get(1..).unwrap_or_default();
            let value = found
                .and_then(|found| if rest.is_empty() { Some(found) } else { lookup(found, rest) });
            value.and_then(scalar_text).ok_or_else(|| {
                let (name, path) = (plan.name(), path.join("."));
                Refusal::of(format!(
                    "a record of stream `{name}` has no value for its key `{path}`"
                ))
            })
        };
        plan.key.iter().zip(&self.key).map(value).collect()
    }

    fn check_enums(&self, plan: &StreamPlan) -> Result<(), Refusal> {
        for ((field, allowed), found) in plan.enums.iter().zip(&self.limited) {
            let value = found.and_then(scalar_text);
            if !value.as_ref().is_some_and(|value| allowed.contains(value)) {
                let came = value.unwrap_or_else(|| "nothing".to_owned());
                return Err(Refusal::of(format!(
                    "a record of stream `{}` has `{came}` as `{field}`, but this place holds \
                     {allowed:?}",
                    plan.name()
                )));
            }
        }
        Ok(())
    }

    /// Whole seconds, rounded down.
    fn stamp(&self, plan: &StreamPlan, key: &Key) -> Result<i64, Refusal> {
        let field = &plan.stream().newer_than_field;
        let refuse = |what: &str| {
            Refusal::of(format!("record {key:?} of stream `{}` has {what} `{field}`", plan.name()))
        };
        let text = self.newer_than.ok_or_else(|| refuse("no"))?.value;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let whole: i64 = whole
            .parse()
            .ok()
            .filter(|_| fraction.bytes().all(|byte| byte.is_ascii_digit()))
            .ok_or_else(|| {
                refuse(&format!("`{text}`, which is no number of seconds in plain digits, as"))
            })?;
        let is_between = text.starts_with('-') && fraction.bytes().any(|byte| byte != b'0');
        Ok(if is_between { whole.saturating_sub(1) } else { whole })
    }

    /// The object without a member and one comma beside it.
    fn without(&self, member: &Member<'_>) -> String {
        let before = self.text.get(..member.start).unwrap_or_default().trim_end();
        let after = self.text.get(member.end..).unwrap_or_default();
        let (before, after) = match before.strip_suffix(',') {
            Some(before) => (before, after),
            None => {
                let rest = after.trim_start();
                (before, rest.strip_prefix(',').unwrap_or(rest))
            }
        };
        let mut document = String::with_capacity(before.len().saturating_add(after.len()));
        document.push_str(before);
        document.push_str(after);
        document
    }
}

/// The hash of an object's members but those left out: of their bytes as they stand, neighbours in
/// one piece, a comma between the pieces. So it is one hash of one piece where nothing is left out
/// from the middle.
struct Content<'a> {
    text: &'a str,
    /// The last piece.
    piece: Range<usize>,
    /// Whether the last piece has ended.
    is_cut: bool,
    /// The pieces before.
    hash: Option<Box<Xxh3Default>>,
}

impl<'a> Content<'a> {
    const fn of(text: &'a str) -> Self {
        Self { text, piece: 0..0, is_cut: false, hash: None }
    }

    fn take(&mut self, member: Range<usize>) {
        if self.piece.is_empty() {
            self.piece = member;
        } else if self.is_cut {
            let hash = self.hash.get_or_insert_default();
            hash.update(self.text.get(self.piece.clone()).unwrap_or_default().as_bytes());
            hash.update(b",");
            self.piece = member;
        } else {
            self.piece.end = member.end;
        }
        self.is_cut = false;
    }

    const fn leave_out(&mut self) {
        self.is_cut = true;
    }

    fn digest(&self) -> u64 {
        let piece = self.text.get(self.piece.clone()).unwrap_or_default().as_bytes();
        let Some(hash) = &self.hash else { return xxh3_64(piece) };
        let mut hash = hash.clone();
        hash.update(piece);
        hash.digest()
    }
}

fn is_stub_field(member: &Member<'_>) -> bool {
    member.is("id") || member.is("object") || member.raw_key.starts_with('_')
}

/// The value at a path; of a key that is there twice, the last.
pub(crate) fn lookup<'a>(object: &'a str, path: &[String]) -> Option<&'a str> {
    let (name, rest) = path.split_first()?;
    let value = members(object).filter(|member| member.is(name)).last()?.value;
    if rest.is_empty() { Some(value) } else { lookup(value, rest) }
}

/// A string's value, or a number or boolean as it is written; null and nested values are no key.
pub(crate) fn scalar_text(value: &str) -> Option<String> {
    match value.as_bytes().first()? {
        b'"' if !value.contains('\\') => {
            value.get(1..value.len().saturating_sub(1)).map(str::to_owned)
        }
        b'"' => serde_json::from_str(value).ok(),
        b'{' | b'[' | b'n' => None,
        _ => Some(value.to_owned()),
    }
}

/// The document with `field` set to true, in place or at the end.
#[must_use]
pub fn marked_document(document: &str, field: &str) -> String {
    let Some(member) = members(document).filter(|member| member.is(field)).last() else {
        let body = document.trim_end().strip_suffix('}').unwrap_or(document).trim_end();
        let comma = if body.ends_with('{') { "" } else { "," };
        let name = serde_json::Value::from(field);
        return format!("{body}{comma}{name}:true}}");
    };
    let key = format!("\"{}\":true", member.raw_key);
    let before = document.get(..member.start).unwrap_or_default();
    format!("{before}{key}{}", document.get(member.end..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use protocol::{ConfiguredStream, Stream};
    use serde_json::json;

    use super::*;

    fn plan() -> StreamPlan {
        let stream: Stream = serde_json::from_value(json!({
            "name": "customers",
            "primary_key": [["id"], ["_account_id"]],
            "newer_than_field": "_updated_at",
            "soft_delete_field": "deleted",
            "metadata": {"volatile": ["url"]},
            "json_schema": {"properties": {"_account_id": {"enum": ["acct_1"]}}},
        }))
        .unwrap();
        StreamPlan::new(&ConfiguredStream::new(stream)).unwrap()
    }

    fn read(text: &str) -> Result<(Key, Row), Refusal> {
        let data = serde_json::value::RawValue::from_string(text.to_owned()).unwrap();
        let record = Record {
            stream: "customers".into(),
            data: &data,
            emitted_at: "".into(),
            origin: None,
            prune: Vec::new(),
        };
        read_row(&plan(), &record)
    }

    #[test]
    fn the_document_keeps_its_bytes_without_the_stamp() {
        let (key, row) =
            read(r#"{"id":"cus_1","n":1.10,"_account_id":"acct_1","_updated_at":7}"#).unwrap();
        assert_eq!(key, ["cus_1", "acct_1"]);
        assert_eq!(row.document, r#"{"id":"cus_1","n":1.10,"_account_id":"acct_1"}"#);
        assert_eq!((row.version.stamp, row.version.deleted), (7, false));
        let (_, row) = read(r#"{"_updated_at":8.9,"id":"a","_account_id":"acct_1"}"#).unwrap();
        assert_eq!(row.document, r#"{"id":"a","_account_id":"acct_1"}"#);
        assert_eq!(row.version.stamp, 8);
    }

    #[test]
    fn a_stamp_is_rounded_down_to_whole_seconds() {
        let stamp = |text: &str| {
            let record = format!(r#"{{"id":"a","_account_id":"acct_1","_updated_at":{text}}}"#);
            read(&record).map(|(_, row)| row.version.stamp)
        };
        for (text, seconds) in
            [("7", 7), ("7.9", 7), ("-0.5", -1), ("-1.0", -1), ("-1.25", -2), ("0.0", 0)]
        {
            assert_eq!(stamp(text), Ok(seconds), "{text}");
        }
        let error = stamp("1.7e9").unwrap_err().to_string();
        assert!(error.contains("no number of seconds in plain digits"), "{error}");
    }

    #[test]
    fn a_rotated_url_is_no_change_and_a_changed_value_is() {
        let content = |text: &str| read(text).unwrap().1.version.content;
        let base = content(r#"{"id":"a","url":"x","n":1,"_account_id":"acct_1","_updated_at":7}"#);
        let rotated =
            content(r#"{"id":"a","url":"y","n":1,"_account_id":"acct_1","_updated_at":9}"#);
        let changed =
            content(r#"{"id":"a","url":"x","n":2,"_account_id":"acct_1","_updated_at":7}"#);
        assert_eq!(base, rotated);
        assert_ne!(base, changed);
    }

    #[test]
    fn what_is_left_out_may_stand_anywhere() {
        let content = |text: &str| read(text).unwrap().1.version.content;
        let plain = content(r#"{"id":"a","_account_id":"acct_1","n":1,"_updated_at":7}"#);
        for text in [
            r#"{"_updated_at":8,"id":"a","_account_id":"acct_1","n":1}"#,
            r#"{"id":"a","_updated_at":8,"url":{},"_account_id":"acct_1","url":"y","n":1}"#,
            r#"{"url":1,"id":"a","_account_id":"acct_1","n":1,"_updated_at":8,"u\u0072l":"z"}"#,
        ] {
            assert_eq!(content(text), plain, "{text}");
        }
        let swapped = content(r#"{"id":"a","n":1,"_account_id":"acct_1","_updated_at":7}"#);
        assert_ne!(swapped, plain);
    }

    #[test]
    fn a_stub_says_nothing_but_deleted() {
        let stub = r#"{"id":"a","object":"customer","deleted":true,"_account_id":"acct_1","_updated_at":7}"#;
        assert!(read(stub).unwrap().1.version.stub);
        let whole =
            r#"{"id":"a","name":"x","deleted":true,"_account_id":"acct_1","_updated_at":7}"#;
        let version = read(whole).unwrap().1.version;
        assert_eq!((version.stub, version.deleted), (false, true));
    }

    #[test]
    fn a_record_without_key_or_stamp_is_refused_with_the_reason() {
        let reason = |text: &str| read(text).unwrap_err().to_string();
        assert_eq!(
            reason(r#"{"_account_id":"acct_1","_updated_at":7}"#),
            "a record of stream `customers` has no value for its key `id`"
        );
        assert!(
            reason(r#"{"id":null,"_account_id":"acct_1","_updated_at":7}"#).contains("key `id`")
        );
        assert!(reason(r#"{"id":"a","_account_id":"acct_1"}"#).contains("no `_updated_at`"));
        assert!(
            reason(r#"{"id":"a","_account_id":"acct_1","_updated_at":"x"}"#).contains("no number")
        );
        assert!(reason(r#"{"id":"a","_account_id":"acct_2","_updated_at":1}"#).contains("acct_2"));
    }

    #[test]
    fn a_mark_goes_in_place_or_at_the_end() {
        assert_eq!(marked_document(r#"{"id":"a"}"#, "deleted"), r#"{"id":"a","deleted":true}"#);
        assert_eq!(
            marked_document(r#"{"deleted":null,"id":"a"}"#, "deleted"),
            r#"{"deleted":true,"id":"a"}"#
        );
        assert_eq!(marked_document("{}", "deleted"), r#"{"deleted":true}"#);
    }
}

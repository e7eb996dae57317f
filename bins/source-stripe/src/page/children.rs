//! Children: objects that stand in a list inside another and are a stream of their own.
//!
//! Pure, and the same for every way on which the parent comes.

use std::collections::BTreeMap;

use protocol::{Origin, Prune};
use serde::Deserialize;
use serde_json::value::RawValue;
use stripe_api::ChildStream;

use super::nested::RawList;

/// What stands around every child of one stream.
#[derive(Debug, Clone)]
pub(crate) struct ChildFrame {
    stream: String,
    list: String,
    key: String,
    head: Vec<u8>,
    account: Vec<u8>,
}

/// The children of one object.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Brood {
    /// Their record lines.
    pub(crate) lines: Vec<u8>,
    /// How many they are.
    pub(crate) count: u64,
    /// What the parent's record says about children that are not there any more; nothing if its
    /// list is not whole.
    pub(crate) prune: Option<Prune>,
}

#[derive(Deserialize)]
struct ParentLine<'a> {
    #[serde(borrow)]
    record: ParentRecord<'a>,
    #[serde(rename = "_origin")]
    origin: Origin,
}

#[derive(Deserialize)]
struct ParentRecord<'a> {
    #[serde(borrow)]
    data: BTreeMap<String, &'a RawValue>,
    emitted_at: String,
}

#[derive(Deserialize)]
struct Child {
    id: String,
    #[serde(default)]
    updated: Option<i64>,
}

impl ChildFrame {
    /// The frame of one child stream's records.
    pub(crate) fn new(child: &ChildStream, account_id: &str) -> Self {
        let stream = serde_json::Value::from(child.facts.name.as_str());
        let account = serde_json::Value::from(account_id);
        Self {
            stream: child.facts.name.clone(),
            list: child.list.clone(),
            key: child.key.clone(),
            head: format!(r#"{{"type":"record","record":{{"stream":{stream},"data":"#).into(),
            account: format!(r#","_account_id":{account},"_updated_at":"#).into(),
        }
    }

    /// The children in a parent's record line; none if it does not hold the list.
    pub(crate) fn brood(&self, line: &[u8]) -> Option<Brood> {
        let parent: ParentLine<'_> = serde_json::from_slice(line).ok()?;
        let data = &parent.record.data;
        let list: RawList<'_> = serde_json::from_str(data.get(&self.list)?.get()).ok()?;
        let id: String = serde_json::from_str(data.get("id")?.get()).ok()?;
        let stamp = data.get("_updated_at")?.get();
        let origin = serde_json::to_string(&parent.origin).ok()?;
        let close =
            format!(r#"}},"emitted_at":"{}"}},"_origin":{origin}}}"#, parent.record.emitted_at);
        let (mut brood, mut keep) = (Brood::default(), Vec::new());
        for element in list.data {
            let child: Child = serde_json::from_str(element.get()).ok()?;
            let own = child.updated.map(|updated| updated.to_string());
            self.write(&mut brood.lines, element, own.as_deref().unwrap_or(stamp), &close)?;
            keep.push(child.id);
        }
        brood.count = u64::try_from(keep.len()).ok()?;
        let condition = [(self.key.clone(), id.into())].into_iter().collect();
        let prune = Prune { stream: self.stream.clone(), condition, keep };
        brood.prune = (!list.has_more).then_some(prune);
        Some(brood)
    }

    /// The end of all children of a parent, by its record line.
    pub(crate) fn nobody(&self, line: &[u8]) -> Option<Brood> {
        let parent: ParentLine<'_> = serde_json::from_slice(line).ok()?;
        let id: String = serde_json::from_str(parent.record.data.get("id")?.get()).ok()?;
        let condition = [(self.key.clone(), id.into())].into_iter().collect();
        let prune = Prune { stream: self.stream.clone(), condition, keep: Vec::new() };
        Some(Brood { prune: Some(prune), ..Brood::default() })
    }

    fn write(&self, out: &mut Vec<u8>, child: &RawValue, stamp: &str, close: &str) -> Option<()> {
        let open = child.get().as_bytes().strip_suffix(b"}")?;
        for part in [&self.head, open, &self.account, stamp.as_bytes(), close.as_bytes(), b"\n"] {
            out.extend_from_slice(part);
        }
        Some(())
    }
}

/// A parent's record line that says which children are still there.
pub(crate) fn with_prune(line: &[u8], prune: &[Prune]) -> Option<Vec<u8>> {
    let open = line.strip_suffix(b"}\n")?;
    let prune = serde_json::to_vec(prune).ok()?;
    Some([open, br#","_prune":"#, &prune, b"}\n"].concat())
}

#[cfg(test)]
mod tests {
    use stripe_api::Catalogue;

    use super::*;

    fn frame() -> ChildFrame {
        ChildFrame::new(Catalogue::embedded().child("subscription_items").unwrap(), "acct_1")
    }

    fn parent(items: &str) -> String {
        format!(
            "{}{items}{}\n",
            r#"{"type":"record","record":{"stream":"subscriptions","data":{"id":"sub_1","items":"#,
            r#","_account_id":"acct_1","_updated_at":90},"emitted_at":"1970-01-01T00:01:40.000Z"},"_origin":"list"}"#
        )
    }

    #[test]
    fn children_keep_their_bytes_and_have_the_stamp_of_their_parent() {
        let line = parent(
            r#"{"object":"list","data":[{"id":"si_1","n":1.10},{"id":"si_2","updated":7}],"has_more":false}"#,
        );
        let brood = frame().brood(line.as_bytes()).unwrap();
        let expected = concat!(
            r#"{"type":"record","record":{"stream":"subscription_items","data":{"id":"si_1","n":1.10,"_account_id":"acct_1","_updated_at":90},"emitted_at":"1970-01-01T00:01:40.000Z"},"_origin":"list"}"#,
            "\n",
            r#"{"type":"record","record":{"stream":"subscription_items","data":{"id":"si_2","updated":7,"_account_id":"acct_1","_updated_at":7},"emitted_at":"1970-01-01T00:01:40.000Z"},"_origin":"list"}"#,
            "\n",
        );
        assert_eq!((String::from_utf8(brood.lines).unwrap().as_str(), brood.count), (expected, 2));
        let told = with_prune(line.as_bytes(), &[brood.prune.unwrap()]).unwrap();
        let told = String::from_utf8(told).unwrap();
        assert!(told.ends_with(
            r#""_origin":"list","_prune":[{"stream":"subscription_items","where":{"subscription":"sub_1"},"keep":["si_1","si_2"]}]}
"#
        ), "{told}");
    }

    #[test]
    fn a_parent_that_is_gone_has_no_children() {
        let brood = frame().nobody(parent("null").as_bytes()).unwrap();
        let prune = brood.prune.unwrap();
        assert_eq!((brood.count, prune.keep.len()), (0, 0));
        assert_eq!(prune.condition["subscription"], "sub_1");
    }

    #[test]
    fn a_list_that_is_not_whole_removes_nobody() {
        let line = parent(r#"{"object":"list","data":[{"id":"si_1"}],"has_more":true}"#);
        let brood = frame().brood(line.as_bytes()).unwrap();
        assert_eq!((brood.count, brood.prune), (1, None));
        assert_eq!(frame().brood(parent("null").as_bytes()), None, "a parent without the list");
    }
}

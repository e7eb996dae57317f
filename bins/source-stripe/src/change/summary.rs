//! What a customer's entitlements are now, taken apart: an event that sums them up tells of each one
//! that the customer has, and of each that was taken away. Pure.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::value::RawValue;

/// The object of such an event. It has no id of its own, and is in no list.
pub(super) const OBJECT: &str = "entitlements.active_entitlement_summary";

/// One object that is summed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// Its id.
    pub(super) id: String,
    /// What kind of object it is: its `object` property.
    pub(super) object: String,
    /// The object; one that is gone as it was.
    pub(super) text: String,
    /// Whether it was there before, and is not now.
    pub(super) is_gone: bool,
}

#[derive(Deserialize)]
struct Summary<'a> {
    #[serde(borrow)]
    entitlements: List<'a>,
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    has_more: bool,
}

#[derive(Default, Deserialize)]
struct Previous<'a> {
    #[serde(borrow, default)]
    entitlements: Option<PreviousList<'a>>,
}

#[derive(Deserialize)]
struct PreviousList<'a> {
    #[serde(borrow, default)]
    data: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Head {
    id: String,
    object: String,
}

/// The objects of a summary, and those of `previous_attributes` that it has no more. A summary that
/// does not show all takes nothing away.
///
/// Stripe gives an array that has changed there as a whole, as it was before
/// (<https://docs.stripe.com/api/events/object#event_object-data-previous_attributes>).
///
/// # Errors
///
/// When it is no summary.
pub(super) fn parts(summary: &str, previous: Option<&str>) -> Result<Vec<Part>, serde_json::Error> {
    let Summary { entitlements: List { data, has_more } } = serde_json::from_str(summary)?;
    let mut parts =
        data.into_iter().map(|text| part(text, false)).collect::<Result<Vec<_>, _>>()?;
    let previous: Previous<'_> =
        previous.map(serde_json::from_str).transpose()?.unwrap_or_default();
    let before = previous.entitlements.filter(|_| !has_more).map(|list| list.data);
    let kept: BTreeSet<String> = parts.iter().map(|part| part.id.clone()).collect();
    for text in before.unwrap_or_default() {
        parts.extend(Some(part(text, true)?).filter(|part| !kept.contains(&part.id)));
    }
    Ok(parts)
}

fn part(text: &RawValue, is_gone: bool) -> Result<Part, serde_json::Error> {
    let Head { id, object } = serde_json::from_str(text.get())?;
    Ok(Part { id, object, text: text.get().to_owned(), is_gone })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn entitlements(ids: &[&str], has_more: bool) -> Value {
        let one = |id: &&str| json!({"id": id, "object": "entitlements.active_entitlement"});
        let data: Vec<Value> = ids.iter().map(one).collect();
        json!({"entitlements": {"object": "list", "data": data, "has_more": has_more}})
    }

    fn told(now: &Value, before: Option<&Value>) -> Vec<(String, bool)> {
        let before = before.map(Value::to_string);
        let parts = parts(&now.to_string(), before.as_deref()).unwrap();
        parts.into_iter().map(|part| (part.id, part.is_gone)).collect()
    }

    #[test]
    fn what_was_there_and_is_not_is_gone() {
        let (now, before) = (entitlements(&["a", "b"], false), entitlements(&["b", "c"], false));
        let expected = [("a", false), ("b", false), ("c", true)];
        assert_eq!(told(&now, Some(&before)), expected.map(|(id, gone)| (id.to_owned(), gone)));
        assert_eq!(told(&entitlements(&[], false), Some(&before)).len(), 2, "the last is revoked");
        assert_eq!(told(&now, None).len(), 2);
        assert_eq!(told(&now, Some(&json!({"livemode": true}))).len(), 2);
    }

    #[test]
    fn a_summary_that_shows_only_its_beginning_takes_nothing_away() {
        let (now, before) = (entitlements(&["a"], true), entitlements(&["b"], false));
        assert_eq!(told(&now, Some(&before)), [("a".to_owned(), false)]);
        assert!(parts("{}", None).is_err());
    }
}

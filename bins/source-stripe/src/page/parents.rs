//! Parents: what their lists are asked by, or that they need not be asked. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use stripe_api::KeyedStream;

/// A parent, as far as its list is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parent {
    /// Its id.
    pub(crate) id: String,
    /// What is to be done about its list.
    pub(crate) list: ParentsList,
}

/// What is to be done about the list of a parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ParentsList {
    /// Nothing: the parent says that it has none.
    None,
    /// It stands in the parent as a whole; this is its text.
    Shown(Vec<u8>),
    /// It is to be asked for with these values, by the name of what they are for.
    Asked(Vec<(String, String)>),
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    record: Record<'a>,
}

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    data: Object<'a>,
}

type Object<'a> = BTreeMap<String, &'a RawValue>;

#[derive(Deserialize)]
struct Shown {
    has_more: bool,
}

impl Parent {
    /// The parent in a record line; none if it has no id.
    pub(crate) fn read(line: &[u8], keyed: &KeyedStream) -> Option<Self> {
        let data = serde_json::from_slice::<Line<'_>>(line).ok()?.record.data;
        let id = text(data.get("id")?)?;
        Some(Self { id, list: list(&data, keyed) })
    }
}

fn list(data: &Object<'_>, keyed: &KeyedStream) -> ParentsList {
    let says_none = keyed.none_if.as_ref().is_some_and(|none_if| {
        field(data, &none_if.field).is_some_and(|value| value.get() == none_if.says)
    });
    if says_none {
        return ParentsList::None;
    }
    let shown = keyed.shown.as_ref().and_then(|name| data.get(name));
    let is_whole = |list: &&&RawValue| {
        serde_json::from_str::<Shown>(list.get()).is_ok_and(|shown| !shown.has_more)
    };
    if let Some(list) = shown.filter(is_whole) {
        return ParentsList::Shown(list.get().into());
    }
    let value = |(name, property): &(String, String)| {
        let value = data.get(property).and_then(|value| text(value));
        value.map(|value| (name.clone(), value))
    };
    let values: Option<Vec<_>> = keyed.params.iter().map(value).collect();
    values.map_or(ParentsList::None, ParentsList::Asked)
}

/// The value at a dotted path.
fn field<'a>(data: &Object<'a>, path: &str) -> Option<&'a RawValue> {
    let Some((first, rest)) = path.split_once('.') else { return data.get(path).copied() };
    let inner: Object<'a> = serde_json::from_str(data.get(first)?.get()).ok()?;
    field(&inner, rest)
}

fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

#[cfg(test)]
mod tests {
    use stripe_api::Catalogue;

    use super::*;

    fn parent(stream: &str, data: &str) -> Option<ParentsList> {
        let line = format!(r#"{{"type":"record","record":{{"stream":"s","data":{data}}}}}"#);
        let keyed = Catalogue::embedded().keyed(stream).unwrap();
        Parent::read(line.as_bytes(), keyed).map(|parent| parent.list)
    }

    fn asked(values: &[(&str, &str)]) -> Option<ParentsList> {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Some(ParentsList::Asked(values.iter().map(pair).collect()))
    }

    #[test]
    fn a_parent_is_asked_by_its_id_and_what_else_it_has_to_say() {
        let of = |data| parent("customer_tax_ids", data);
        assert_eq!(of(r#"{"id":"cus_1"}"#), asked(&[("customer", "cus_1")]));
        assert_eq!(of(r#"{"object":"customer"}"#), None);
        let owners = |data| parent("financial_connections_account_owners", data);
        assert_eq!(
            owners(r#"{"id":"fca_1","ownership":"fcao_1"}"#),
            asked(&[("account", "fca_1"), ("ownership", "fcao_1")])
        );
        assert_eq!(owners(r#"{"id":"fca_1","ownership":null}"#), Some(ParentsList::None));
    }

    #[test]
    fn a_parent_that_says_that_it_has_none_is_not_asked() {
        let attempts = |data| parent("setup_attempts", data);
        assert_eq!(attempts(r#"{"id":"s","latest_attempt":null}"#), Some(ParentsList::None));
        assert_eq!(
            attempts(r#"{"id":"s","latest_attempt":"setatt_1"}"#),
            asked(&[("setup_intent", "s")])
        );
        assert_eq!(attempts(r#"{"id":"s"}"#), asked(&[("setup_intent", "s")]), "it does not say");
        let persons = |who: &str| {
            parent(
                "persons",
                &format!(r#"{{"id":"a","controller":{{"requirement_collection":"{who}"}}}}"#),
            )
        };
        assert_eq!(persons("stripe"), Some(ParentsList::None));
        assert_eq!(persons("application"), asked(&[("account", "a")]));
    }

    #[test]
    fn a_list_that_the_parent_shows_whole_is_not_asked_for() {
        let of = |list: &str| {
            parent("transfer_reversals", &format!(r#"{{"id":"tr_1","reversals":{list}}}"#))
        };
        let whole = r#"{"object":"list","data":[{"id":"trr_1"}],"has_more":false}"#;
        assert_eq!(of(whole), Some(ParentsList::Shown(whole.into())));
        let goes_on = r#"{"object":"list","data":[{"id":"trr_1"}],"has_more":true}"#;
        assert_eq!(of(goes_on), asked(&[("id", "tr_1")]));
        assert_eq!(of("null"), asked(&[("id", "tr_1")]));
    }
}

//! Which streams of lists under parents are read: `child_streams` of the configuration.

use std::collections::BTreeSet;

use connector::Error;
use serde::Deserialize;
use stripe_api::{Catalogue, KeyedStream};

/// Below this a name is not near another.
const NEAR: f64 = 0.8;

/// The streams as they are written: names, or `all`.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum ChildStreams {
    /// `all`, or names with commas between.
    Text(String),
    /// Names.
    Names(Vec<String>),
}

/// The names that are meant.
///
/// # Errors
///
/// When one is no stream under a parent: with the nearest that is.
pub(crate) fn chosen(
    asked: Option<&ChildStreams>,
    catalogue: &Catalogue,
) -> Result<BTreeSet<String>, Error> {
    let names: Vec<&str> = match asked {
        None => Vec::new(),
        Some(ChildStreams::Text(text)) => text.split(',').map(str::trim).collect(),
        Some(ChildStreams::Names(names)) => names.iter().map(String::as_str).collect(),
    };
    let all = || catalogue.keyed.iter().map(|keyed| keyed.facts.name.clone());
    let mut chosen = BTreeSet::new();
    for name in names.into_iter().filter(|name| !name.is_empty()) {
        match name {
            "all" => chosen.extend(all()),
            name if catalogue.keyed(name).is_some() => drop(chosen.insert(name.to_owned())),
            name => return Err(unknown(name, catalogue)),
        }
    }
    Ok(chosen)
}

/// What a stream under parents costs, in words.
pub(crate) fn cost(keyed: &KeyedStream, catalogue: &Catalogue) -> String {
    let parent = catalogue.list(&keyed.parent).map_or(keyed.parent.as_str(), |facts| &facts.object);
    let parent = parent.trim_start_matches("v2.").replace(['.', '_'], " ");
    match keyed.shown {
        Some(_) => format!("one request per {parent} that does not show them all"),
        None => format!("one request per {parent}"),
    }
}

fn unknown(name: &str, catalogue: &Catalogue) -> Error {
    let error = |why: &str| {
        Error::config(format!("reading --config: `child_streams` names `{name}`, {why}"))
    };
    if let Some(near) = nearest(name, catalogue) {
        return error("and there is no such stream under a parent")
            .hint(format!("did you mean `{near}`?"));
    }
    if catalogue.list(name).is_some() || catalogue.child(name).is_some() {
        return error("which is read without being named there").hint("leave it out");
    }
    let all: Vec<&str> = catalogue.keyed.iter().map(|keyed| keyed.facts.name.as_str()).collect();
    error("and there is no such stream under a parent")
        .hint(format!("give `all`, or of these: {}", all.join(", ")))
}

/// A name that ends as this one does (`customer_tax_ids` for `tax_ids`), else the most alike.
fn nearest<'a>(name: &str, catalogue: &'a Catalogue) -> Option<&'a str> {
    let names = || catalogue.keyed.iter().map(|keyed| keyed.facts.name.as_str());
    let end = format!("_{name}");
    let likeness = |known: &str| strsim::jaro_winkler(name, known);
    let alike = names()
        .filter(|known| likeness(known) > NEAR)
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let is_plain = catalogue.list(name).is_some() || catalogue.child(name).is_some();
    names().find(|known| known.ends_with(&end)).or(alike.filter(|_| !is_plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(asked: &str) -> Result<BTreeSet<String>, String> {
        let asked: ChildStreams = serde_json::from_str(asked).unwrap();
        chosen(Some(&asked), Catalogue::embedded()).map_err(|error| error.report())
    }

    #[test]
    fn nothing_is_read_under_parents_unless_it_is_named() {
        assert!(chosen(None, Catalogue::embedded()).unwrap().is_empty());
        assert_eq!(names(r#"["persons"]"#).unwrap(), BTreeSet::from(["persons".to_owned()]));
        assert_eq!(names(r#""persons, capabilitys""#).unwrap().len(), 2);
        assert_eq!(names(r#""all""#).unwrap().len(), Catalogue::embedded().keyed.len());
    }

    #[test]
    fn a_wrong_name_is_told_with_the_nearest() {
        for (asked, near) in [("tax_ids", "customer_tax_ids"), ("person", "persons")] {
            let error = names(&format!(r#"["{asked}"]"#)).unwrap_err();
            assert!(error.contains(&format!("did you mean `{near}`?")), "{error}");
        }
        let error = names(r#"["customers"]"#).unwrap_err();
        assert!(error.contains("read without being named there; leave it out"), "{error}");
        let error = names(r#"["nothing_like_it"]"#).unwrap_err();
        assert!(error.contains("give `all`, or of these: active_entitlements, "), "{error}");
    }

    #[test]
    fn the_cost_is_told_by_the_parent() {
        let cost =
            |name: &str| cost(Catalogue::embedded().keyed(name).unwrap(), Catalogue::embedded());
        assert_eq!(cost("customer_payment_methods"), "one request per customer");
        assert_eq!(cost("v2_core_account_persons"), "one request per core account");
        assert_eq!(
            cost("transfer_reversals"),
            "one request per transfer that does not show them all"
        );
    }
}

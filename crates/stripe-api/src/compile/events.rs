//! Which event types carry an object of which resource.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::document::{Document, enum_values};
use super::exceptions;

/// Where the file names every event type: the events a webhook may be subscribed to.
const SUBSCRIBABLE: &str = "/post/requestBody/content/application~1x-www-form-urlencoded/schema/properties/enabled_events/items";

/// Event types by resource, each in byte order.
pub(crate) fn by_resource(document: &Document) -> BTreeMap<String, Vec<String>> {
    let resources: BTreeSet<&str> = document
        .schemas()
        .filter_map(|(_, schema)| schema.get("x-resourceId").and_then(Value::as_str))
        .collect();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event_type in event_types(document) {
        if let Some(resource) = resource_of(event_type, &resources) {
            found.entry(resource.to_owned()).or_default().push(event_type.to_owned());
        }
    }
    found
}

fn event_types(document: &Document) -> BTreeSet<&str> {
    let subscribable = document
        .path("/v1/webhook_endpoints")
        .and_then(|path| path.pointer(SUBSCRIBABLE))
        .into_iter()
        .flat_map(enum_values);
    let marked = document
        .schemas()
        .filter_map(|(_, schema)| schema.pointer("/x-stripeEvent/type").and_then(Value::as_str));
    subscribable.chain(marked).collect()
}

/// `issuing_card.created` belongs to `issuing.card`, `customer.subscription.deleted` to
/// `subscription`: the whole name before the verb first, else its last part.
fn resource_of<'a>(event_type: &str, resources: &BTreeSet<&'a str>) -> Option<&'a str> {
    if let Some(resource) = exceptions::event_resource(event_type) {
        return resources.get(resource).copied();
    }
    let (subject, _verb) = event_type.rsplit_once('.')?;
    let whole = resources.iter().find(|resource| {
        **resource == subject || resource.contains('.') && resource.replace('.', "_") == subject
    });
    let last = subject.rsplit_once('.').and_then(|(_, last)| resources.get(last));
    whole.or(last).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_belongs_to_the_longest_name_that_fits() {
        let resources = BTreeSet::from([
            "product",
            "climate.product",
            "subscription",
            "issuing.card",
            "refund",
        ]);
        let of = |event_type| resource_of(event_type, &resources);
        assert_eq!(of("climate.product.created"), Some("climate.product"));
        assert_eq!(of("product.created"), Some("product"));
        assert_eq!(of("customer.subscription.deleted"), Some("subscription"));
        assert_eq!(of("issuing_card.updated"), Some("issuing.card"));
        assert_eq!(of("application_fee.refund.updated"), None);
        assert_eq!(of("balance.available"), None);
        assert_eq!(of("*"), None);
    }
}

//! The catalog: Stripe's lists as streams.

use connector::Error;
use protocol::{Catalog, Stream};
use serde_json::{Map, Value, json};
use stripe_api::{KeyedStream, StreamFacts};

use crate::child_streams;
use crate::config::Settings;

/// Streams that are not the account's own data, or only tell of the others: to be asked for by name.
const ON_REQUEST: [&str; 9] = [
    "climate_products",
    "climate_suppliers",
    "country_specs",
    "events",
    "exchange_rates",
    "reporting_report_types",
    "tax_codes",
    "v2_core_event_destinations",
    "v2_core_events",
];

/// All streams, for the records of one account.
///
/// # Errors
///
/// Never in practice: a schema that is no object.
pub(crate) fn catalog(account_id: &str, settings: &Settings) -> Result<Catalog, Error> {
    let catalogue = settings.catalogue;
    let lists = catalogue.streams.iter().chain(&catalogue.v2_streams);
    let plain = lists.map(|facts| stream(facts, None, account_id, settings));
    let children = catalogue
        .children
        .iter()
        .map(|child| stream(&child.facts, Some(&child.parent), account_id, settings));
    let keyed = catalogue.keyed.iter();
    let keyed = keyed.filter(|keyed| settings.wishes.child_streams.contains(&keyed.facts.name));
    let keyed = keyed.map(|keyed| under_parents(keyed, account_id, settings));
    let mut streams = plain.chain(children).chain(keyed).collect::<Result<Vec<_>, _>>()?;
    streams.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Catalog { streams })
}

fn stream(
    facts: &StreamFacts,
    parent: Option<&str>,
    account_id: &str,
    settings: &Settings,
) -> Result<Stream, Error> {
    let Value::Object(schema) = facts.json_schema(Some(account_id)) else {
        return Err(Error::internal(format!(
            "describing `{}`: its schema is no object",
            facts.name
        )));
    };
    Ok(Stream {
        name: facts.name.clone(),
        primary_key: [["id"], ["_account_id"]]
            .map(|path| path.map(str::to_owned).to_vec())
            .to_vec(),
        newer_than_field: "_updated_at".to_owned(),
        json_schema: Some(schema),
        metadata: Some(metadata(facts, parent, account_id, settings)),
        soft_delete_field: Some("deleted".to_owned()),
    })
}

/// A stream that is read parent by parent, with what that costs. Its time is that of its parents.
fn under_parents(
    keyed: &KeyedStream,
    account_id: &str,
    settings: &Settings,
) -> Result<Stream, Error> {
    let mut stream = stream(&keyed.facts, None, account_id, settings)?;
    let parent = settings.catalogue.list(&keyed.parent);
    let by_time = parent.is_some_and(StreamFacts::takes_time);
    let metadata = stream.metadata.get_or_insert_default();
    metadata.insert("keyed_by".to_owned(), json!(keyed.parent));
    metadata.insert("cost".to_owned(), json!(child_streams::cost(keyed, settings.catalogue)));
    metadata.insert("supports_time_range".to_owned(), json!(by_time));
    if let Some(key) = keyed.key.as_ref().filter(|_| keyed.ids_repeat) {
        stream.primary_key.insert(1, vec![key.clone()]);
    }
    Ok(stream)
}

fn metadata(
    facts: &StreamFacts,
    parent: Option<&str>,
    account_id: &str,
    settings: &Settings,
) -> Map<String, Value> {
    let mut metadata = Map::new();
    let mut set = |name: &str, value: Value| metadata.insert(name.to_owned(), value);
    set("resource_name", json!(facts.resource));
    set("api_version", json!(settings.api_version));
    set("account_id", json!(account_id));
    set("live_mode", json!(settings.live));
    set("freshness", json!(facts.freshness.as_str()));
    set("volatile", json!(facts.volatile));
    set("supports_time_range", json!(facts.takes_time() || parent.is_some()));
    if let Some(parent) = parent {
        set("parent", json!(parent));
    }
    if ON_REQUEST.contains(&facts.name.as_str()) {
        set("default_selected", json!(false));
    }
    metadata
}

//! Which streams a run copies, and what of them; pure.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{
    Catalog, ConfiguredCatalog, ConfiguredStream, SelectedStream, Spec, Stream, TimeRange,
    Timestamp,
};
use serde_json::{Map, Value};

use crate::config;
use crate::failure::Failure;
use crate::nearest::{hint, nearest};

/// Why a selection does not fit what the source has.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// No stream has that name, or matches that pattern.
    #[error("unknown stream `{name}`{hint}; `sync-engine discover` lists the {count} streams")]
    UnknownStream {
        /// The name as given.
        name: String,
        /// The nearest names, as a question.
        hint: String,
        /// How many streams there are.
        count: usize,
    },
    /// A stream has no such field.
    #[error("unknown field `{field}` of stream `{stream}`{hint}")]
    UnknownField {
        /// The stream.
        stream: String,
        /// The field as given.
        field: String,
        /// The nearest fields, as a question.
        hint: String,
    },
    /// Everything was left out.
    #[error("no stream is selected; leave out less, or name streams with `--streams`")]
    Nothing,
}

/// What to tell of a selection that does not fit: a stream may be there only where the source's
/// configuration names it.
pub(crate) fn unselected(error: &CatalogError, spec: &Spec) -> Failure {
    let named = match error {
        CatalogError::UnknownStream { name, .. } => {
            config::key_that_names(spec, name).map(|key| (key, name))
        }
        CatalogError::UnknownField { .. } | CatalogError::Nothing => None,
    };
    match named {
        Some((key, name)) => Failure::config(format!(
            "`{name}` is a stream only where `{key}` of the source names it; \
             add `--source.{key} {name}`"
        )),
        None => Failure::config(error),
    }
}

/// Chooses streams of `discovered`, in its order.
///
/// A name may hold `*` for any text, and a `-` before it leaves streams out. When nothing is
/// selected by name, everything is that the source does not mark `default_selected: false`.
/// A stream whose metadata names a parent brings the parent along.
///
/// # Errors
///
/// See [`CatalogError`].
pub fn select(
    discovered: &Catalog,
    wanted: &[SelectedStream],
) -> Result<ConfiguredCatalog, CatalogError> {
    let chosen = choose(discovered, wanted)?;
    let mut streams = Vec::new();
    for stream in discovered.streams.iter().filter(|s| chosen.contains_key(s.name.as_str())) {
        let asked = chosen.get(stream.name.as_str()).copied().flatten();
        streams.push(configure(stream, asked)?);
    }
    if streams.is_empty() && !discovered.streams.is_empty() {
        return Err(CatalogError::Nothing);
    }
    Ok(ConfiguredCatalog { streams })
}

/// Names of the streams that a stream is fed from, from its metadata.
pub fn parents(stream: &Stream) -> impl Iterator<Item = &str> {
    let parent = stream.metadata.as_ref().and_then(|metadata| metadata.get("parent"));
    let (one, many) = match parent {
        Some(Value::Array(names)) => (None, names.as_slice()),
        other => (other, [].as_slice()),
    };
    one.into_iter().chain(many).filter_map(Value::as_str)
}

/// `failed` and every stream that is fed from one of them.
#[must_use]
pub fn with_children(catalog: &ConfiguredCatalog, failed: &BTreeSet<String>) -> BTreeSet<String> {
    let mut all = failed.clone();
    loop {
        let orphans: Vec<String> = catalog
            .streams
            .iter()
            .map(|configured| &configured.stream)
            .filter(|stream| !all.contains(&stream.name))
            .filter(|stream| parents(stream).any(|parent| all.contains(parent)))
            .map(|stream| stream.name.clone())
            .collect();
        if orphans.is_empty() {
            return all;
        }
        all.extend(orphans);
    }
}

/// Whether a time range may be asked of a stream, as far as is known.
fn supports_time_range(configured: &ConfiguredStream) -> bool {
    let metadata = configured.stream.metadata.as_ref();
    let said = metadata.and_then(|metadata| metadata.get("supports_time_range"));
    configured.supports_time_range != Some(false) && said != Some(&Value::Bool(false))
}

/// A catalog as somebody has it: configured, or as a source gives it, alone or as a message.
///
/// # Errors
///
/// When it is none of these.
pub fn parse(value: Value) -> Result<ConfiguredCatalog, serde_json::Error> {
    let value = value.get("catalog").cloned().unwrap_or(value);
    let streams = value.get("streams").and_then(Value::as_array);
    let configured =
        streams.is_some_and(|streams| streams.iter().all(|s| s.get("stream").is_some()));
    if configured {
        return serde_json::from_value(value);
    }
    let catalog: Catalog = serde_json::from_value(value)?;
    Ok(ConfiguredCatalog {
        streams: catalog.streams.into_iter().map(ConfiguredStream::new).collect(),
    })
}

/// What is left of a catalog once the streams in `done` are: the others, and those that they are
/// fed from.
pub fn leave_out_done(catalog: &mut ConfiguredCatalog, done: &BTreeSet<String>) {
    let mut needed: BTreeSet<String> = BTreeSet::new();
    loop {
        let more: Vec<String> = catalog
            .streams
            .iter()
            .map(|configured| &configured.stream)
            .filter(|stream| !done.contains(&stream.name) || needed.contains(&stream.name))
            .flat_map(parents)
            .filter(|parent| !needed.contains(*parent))
            .map(str::to_owned)
            .collect();
        if more.is_empty() {
            break;
        }
        needed.extend(more);
    }
    let is_left = |name: &String| !done.contains(name) || needed.contains(name);
    catalog.streams.retain(|configured| is_left(&configured.stream.name));
}

/// Gives every stream that can take one an upper bound of time, unless it has one already, and says
/// that it is only the run's.
pub fn bound(catalog: &mut ConfiguredCatalog, ceiling: Timestamp) {
    for configured in &mut catalog.streams {
        let range = configured.time_range.unwrap_or_default();
        let fits = range.lt.is_none() && range.gte.is_none_or(|gte| gte < ceiling);
        if fits && supports_time_range(configured) {
            configured.time_range = Some(TimeRange { lt: Some(ceiling), ..range });
            configured.open_end = true;
        }
    }
}

type Chosen<'a> = BTreeMap<&'a str, Option<&'a SelectedStream>>;

fn choose<'a>(
    discovered: &'a Catalog,
    wanted: &'a [SelectedStream],
) -> Result<Chosen<'a>, CatalogError> {
    let (minus, plus): (Vec<_>, Vec<_>) = wanted.iter().partition(|s| s.name.starts_with('-'));
    let mut chosen = Chosen::new();
    if plus.is_empty() {
        let usual = discovered.streams.iter().filter(|stream| is_default(stream));
        chosen.extend(usual.map(|stream| (stream.name.as_str(), None)));
    }
    for selected in plus {
        for name in matching(discovered, &selected.name)? {
            chosen.insert(name, Some(selected));
        }
    }
    add_parents(discovered, &mut chosen);
    for selected in minus {
        let pattern = selected.name.trim_start_matches('-');
        for name in matching(discovered, pattern)? {
            chosen.remove(name);
        }
    }
    Ok(chosen)
}

/// Refuses names that no stream has.
pub(crate) fn refuse_unknown_streams(
    discovered: &Catalog,
    names: &[String],
) -> Result<(), CatalogError> {
    let is_known = |name: &&String| discovered.streams.iter().any(|stream| stream.name == **name);
    match names.iter().find(|name| !is_known(name)) {
        None => Ok(()),
        Some(name) => Err(unknown_stream(discovered, name)),
    }
}

fn unknown_stream(discovered: &Catalog, name: &str) -> CatalogError {
    let names = discovered.streams.iter().map(|stream| stream.name.as_str());
    CatalogError::UnknownStream {
        name: name.to_owned(),
        hint: hint(&nearest(name, names)),
        count: discovered.streams.len(),
    }
}

fn is_default(stream: &Stream) -> bool {
    let mark = stream.metadata.as_ref().and_then(|metadata| metadata.get("default_selected"));
    mark != Some(&Value::Bool(false))
}

fn add_parents<'a>(discovered: &'a Catalog, chosen: &mut Chosen<'a>) {
    loop {
        let missing: Vec<&str> = discovered
            .streams
            .iter()
            .filter(|stream| chosen.contains_key(stream.name.as_str()))
            .flat_map(parents)
            .filter(|parent| !chosen.contains_key(parent))
            .filter(|parent| discovered.streams.iter().any(|stream| stream.name == **parent))
            .collect();
        if missing.is_empty() {
            return;
        }
        chosen.extend(missing.into_iter().map(|parent| (parent, None)));
    }
}

fn matching<'a>(discovered: &'a Catalog, pattern: &str) -> Result<Vec<&'a str>, CatalogError> {
    let names = discovered.streams.iter().map(|stream| stream.name.as_str());
    let found: Vec<&str> = names.filter(|name| matches(pattern, name)).collect();
    if found.is_empty() { Err(unknown_stream(discovered, pattern)) } else { Ok(found) }
}

/// Whether a name fits a pattern in which `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            rest.char_indices()
                .map(|(at, _)| at)
                .chain([rest.len()])
                .any(|at| rest.get(at..).is_some_and(|rest| matches(tail, rest)))
        }),
    }
}

fn configure(
    stream: &Stream,
    asked: Option<&SelectedStream>,
) -> Result<ConfiguredStream, CatalogError> {
    let mut configured = ConfiguredStream::new(stream.clone());
    let Some(asked) = asked else { return Ok(configured) };
    configured.sync_mode = asked.sync_mode.unwrap_or_default();
    configured.backfill_limit = asked.backfill_limit;
    configured.time_range = asked.time_range;
    if let Some(fields) = asked.fields.as_ref().filter(|fields| !fields.is_empty()) {
        configured.fields = Some(narrow(&mut configured.stream, fields)?);
    }
    Ok(configured)
}

/// Prunes the stream's schema and returns the fields to keep: those asked for, and those that the
/// copy cannot do without.
fn narrow(stream: &mut Stream, fields: &[String]) -> Result<Vec<String>, CatalogError> {
    let keys = stream.primary_key.iter().filter_map(|path| path.first());
    let needed = keys.chain([&stream.newer_than_field]).chain(&stream.soft_delete_field);
    let keep: BTreeSet<String> = fields.iter().chain(needed).cloned().collect();
    if let Some(schema) = &mut stream.json_schema {
        refuse_unknown_field(&stream.name, schema, fields)?;
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            properties.retain(|name, _| keep.contains(name));
        }
        if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
            required.retain(|name| name.as_str().is_some_and(|name| keep.contains(name)));
        }
    }
    Ok(keep.into_iter().collect())
}

fn refuse_unknown_field(
    stream: &str,
    schema: &Map<String, Value>,
    fields: &[String],
) -> Result<(), CatalogError> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return Ok(());
    };
    match fields.iter().find(|field| !properties.contains_key(*field)) {
        None => Ok(()),
        Some(field) => Err(CatalogError::UnknownField {
            stream: stream.to_owned(),
            field: field.clone(),
            hint: hint(&nearest(field, properties.keys().map(String::as_str))),
        }),
    }
}

/// Whether a limit on records may leave streams without a last status.
pub(crate) fn is_limited(source: &Map<String, Value>, catalog: &ConfiguredCatalog) -> bool {
    source.get("backfill_limit").is_some_and(|limit| !limit.is_null())
        || catalog.streams.iter().any(|stream| stream.backfill_limit.is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn discovered() -> Catalog {
        let stream = |name: &str, metadata: Value| {
            json!({"name": name, "primary_key": [["id"], ["_account_id"]],
                "newer_than_field": "_updated_at", "soft_delete_field": "deleted",
                "metadata": metadata, "json_schema": {"type": "object",
                    "required": ["_updated_at", "email"],
                    "properties": {"id": {}, "_account_id": {}, "_updated_at": {}, "deleted": {},
                        "email": {}, "name": {}}}})
        };
        serde_json::from_value(json!({"streams": [
            stream("charges", json!({})),
            stream("customers", json!({})),
            stream("invoices", json!({})),
            stream("invoice_lines", json!({"parent": "invoices"})),
            stream("tax_codes", json!({"default_selected": false})),
        ]}))
        .unwrap()
    }

    fn names(wanted: &str) -> Result<String, String> {
        let wanted: Vec<SelectedStream> = wanted
            .split(',')
            .filter(|name| !name.is_empty())
            .map(|name| serde_json::from_value(json!({"name": name})).unwrap())
            .collect();
        let catalog = select(&discovered(), &wanted).map_err(|error| error.to_string())?;
        let names: Vec<String> = catalog.streams.into_iter().map(|s| s.stream.name).collect();
        Ok(names.join(","))
    }

    #[test]
    fn streams_are_chosen_by_name_pattern_and_what_is_left_out() {
        assert_eq!(names("").unwrap(), "charges,customers,invoices,invoice_lines");
        assert_eq!(names("*").unwrap(), "charges,customers,invoices,invoice_lines,tax_codes");
        assert_eq!(names("tax_codes,c*").unwrap(), "charges,customers,tax_codes");
        assert_eq!(names("-charges").unwrap(), "customers,invoices,invoice_lines");
        assert_eq!(names("*s,-inv*").unwrap(), "charges,customers,tax_codes");
        assert_eq!(names("invoice_lines").unwrap(), "invoices,invoice_lines");
    }

    #[test]
    fn the_end_of_a_run_is_told_from_one_that_the_owner_set() {
        let [first, last] = [10, 20].map(protocol::Timestamp::from_seconds);
        let wanted = [
            json!({"name": "charges", "time_range": {"gte": first}}),
            json!({"name": "customers", "time_range": {"lt": first}}),
            json!({"name": "invoices", "time_range": {"gte": last}}),
        ];
        let wanted = wanted.map(|stream| serde_json::from_value(stream).unwrap());
        let mut catalog = select(&discovered(), &wanted).unwrap();
        bound(&mut catalog, last);
        let ends = catalog.streams.iter().map(|one| (one.time_range.unwrap().lt, one.open_end));
        let ends: Vec<_> = ends.collect();
        assert_eq!(ends, [(Some(last), true), (Some(first), false), (None, false)]);
        let wanted: Vec<_> = catalog.streams.iter().map(|one| one.wanted_time().lt).collect();
        assert_eq!(wanted, [None, Some(first), None]);
    }

    #[test]
    fn an_unknown_stream_is_met_with_the_nearest_names() {
        let error = names("custmers").unwrap_err();
        assert!(
            error.starts_with("unknown stream `custmers`; did you mean `customers`"),
            "{error}"
        );
        assert!(names("zz*").unwrap_err().contains("unknown stream `zz*`;"));
        assert!(names("-*").unwrap_err().contains("no stream is selected"));
    }

    #[test]
    fn a_stream_that_the_configuration_has_to_name_is_told_with_the_key() {
        let spec = Spec::new(json!({"properties": {
            "key": {"examples": ["customer_tax_ids"]},
            "child_streams": {"anyOf": [
                {"type": "array", "items": {"type": "string", "examples": ["customer_tax_ids"]}},
                {"type": "string"},
            ]},
        }}));
        let told = |name: &str| {
            let wanted = [serde_json::from_value(json!({"name": name})).unwrap()];
            unselected(&select(&discovered(), &wanted).unwrap_err(), &spec).message
        };
        assert_eq!(
            told("customer_tax_ids"),
            "`customer_tax_ids` is a stream only where `child_streams` of the source names it; \
             add `--source.child_streams customer_tax_ids`"
        );
        assert!(told("custmers").starts_with("unknown stream `custmers`; did you mean"));
    }

    #[test]
    fn fewer_fields_keep_what_the_copy_needs() {
        let wanted = serde_json::from_value(json!({"name": "customers", "fields": ["email"]}));
        let catalog = select(&discovered(), &[wanted.unwrap()]).unwrap();
        let customers = &catalog.streams[0];
        let kept = ["_account_id", "_updated_at", "deleted", "email", "id"];
        assert_eq!(customers.fields.as_ref().unwrap(), &kept);
        let schema = customers.stream.json_schema.as_ref().unwrap();
        assert!(!schema["properties"].as_object().unwrap().contains_key("name"));
        assert!(schema["properties"].as_object().unwrap().contains_key("deleted"));
        let wanted = serde_json::from_value(json!({"name": "customers", "fields": ["e_mail"]}));
        let error = select(&discovered(), &[wanted.unwrap()]).unwrap_err().to_string();
        assert_eq!(error, "unknown field `e_mail` of stream `customers`; did you mean `email`?");
    }

    #[test]
    fn a_failed_parent_takes_its_children_with_it() {
        let wanted = serde_json::from_value(json!({"name": "*"})).unwrap();
        let catalog = select(&discovered(), &[wanted]).unwrap();
        let failed = with_children(&catalog, &BTreeSet::from(["invoices".to_owned()]));
        assert_eq!(failed.into_iter().collect::<Vec<_>>(), ["invoice_lines", "invoices"]);
    }
}

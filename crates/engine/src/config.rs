//! A connector's configuration held against the schema in its spec; pure.

use protocol::Spec;
use serde_json::{Map, Number, Value};

use crate::nearest::{hint, nearest};
use crate::schema;

/// A connector's configuration: keys and values as its spec names them.
pub type Config = Map<String, Value>;

/// Why a configuration cannot be used. No text holds a value: it may be a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A key that the connector does not have.
    #[error("unknown key `{key}` in the configuration of `{connector}`{hint}; valid keys: {valid}")]
    UnknownKey {
        /// The connector, such as `source-stripe`.
        connector: String,
        /// The key as given.
        key: String,
        /// The nearest valid keys, as a question.
        hint: String,
        /// All valid keys.
        valid: String,
    },
    /// A required key that nobody gave.
    #[error("missing `{key}` of `{connector}`; give it by {}", places.join(", or "))]
    MissingKey {
        /// The connector.
        connector: String,
        /// The key.
        key: String,
        /// Every place where it can be given.
        places: Vec<String>,
    },
    /// A value of the wrong kind.
    #[error("the value of `{key}` of `{connector}` does not fit: {why}")]
    BadValue {
        /// The connector.
        connector: String,
        /// The key.
        key: String,
        /// What was expected.
        why: String,
    },
}

/// Checks `given` and fills in what the pipeline keeps, then the defaults of required keys.
///
/// `places` says for a key where a person can give it; it is asked for missing keys only.
///
/// # Errors
///
/// See [`ConfigError`].
pub fn complete(
    connector: &str,
    spec: &Spec,
    given: Config,
    pinned: &Config,
    places: &dyn Fn(&str) -> Vec<String>,
) -> Result<Config, ConfigError> {
    let mut config = given;
    for (key, value) in pinned.iter().filter(|(key, _)| has_key(spec, key)) {
        config.entry(key.as_str()).or_insert_with(|| value.clone());
    }
    let defaults: Vec<_> = defaults(spec, &config).collect();
    for (key, value) in defaults {
        config.entry(key).or_insert_with(|| value.clone());
    }
    refuse_unknown(connector, spec, &config)?;
    if let Some(key) = required(spec, &config).find(|key| !config.contains_key(*key)) {
        return Err(ConfigError::MissingKey {
            connector: connector.to_owned(),
            key: key.to_owned(),
            places: places(key),
        });
    }
    refuse_misfits(connector, spec, &config)?;
    Ok(config)
}

/// The values to keep with a pipeline: those of required keys that have a default.
///
/// A default may change with the connector's version; what a pipeline began with may not.
#[must_use]
pub fn pins(spec: &Spec, config: &Config) -> Config {
    let secret = |key: &str| is_secret(spec, key);
    defaults(spec, config)
        .filter(|(key, _)| !secret(key))
        .filter_map(|(key, _)| Some((key.to_owned(), config.get(key)?.clone())))
        .collect()
}

/// Whether the spec marks a key as secret (`writeOnly`).
#[must_use]
pub fn is_secret(spec: &Spec, key: &str) -> bool {
    property(spec, key).and_then(|schema| schema.get("writeOnly")) == Some(&Value::Bool(true))
}

/// Whether the spec has a key.
#[must_use]
pub fn has_key(spec: &Spec, key: &str) -> bool {
    property(spec, key).is_some()
}

/// Turns the text of a flag into a value of the kind that the spec asks for.
///
/// A list is written with commas or as JSON, an object as JSON. A text that does not fit stays a
/// text, and the check says what was expected.
#[must_use]
pub fn coerce(spec: &Spec, key: &str, text: &str) -> Value {
    property(spec, key).map_or_else(|| Value::from(text), |schema| coerce_to(schema, text))
}

fn coerce_to(schema: &Value, text: &str) -> Value {
    let types = schema::types(schema);
    let any_of = |names: &[&str]| types.iter().any(|name| names.contains(name));
    let json = || serde_json::from_str::<Value>(text).ok();
    if any_of(&["boolean"])
        && let Ok(value) = text.parse::<bool>()
    {
        return Value::Bool(value);
    }
    if any_of(&["integer", "number"])
        && let Ok(value) = text.parse::<Number>()
    {
        return Value::Number(value);
    }
    if any_of(&["array", "object"])
        && let Some(value) = json().filter(|value| value.is_array() || value.is_object())
    {
        return value;
    }
    if any_of(&["array"]) && !any_of(&["string"]) {
        let items = schema.get("items").unwrap_or(&Value::Null);
        return text.split(',').map(|item| coerce_to(items, item.trim())).collect();
    }
    Value::from(text)
}

/// The key whose lists may name `name`, as far as the spec gives names.
#[must_use]
pub(crate) fn key_that_names<'s>(spec: &'s Spec, name: &str) -> Option<&'s str> {
    let properties = schema::properties(&spec.config)?;
    properties.iter().find(|(_, schema)| names(schema, name)).map(|(key, _)| key.as_str())
}

fn names(schema: &Value, name: &str) -> bool {
    let parts = ["anyOf", "oneOf"].iter().filter_map(|key| schema.get(*key)?.as_array()).flatten();
    let known = ["enum", "examples"].iter().filter_map(|key| schema.get("items")?.get(*key));
    let mut known = known.filter_map(Value::as_array).flatten();
    known.any(|known| known.as_str() == Some(name)) || parts.into_iter().any(|s| names(s, name))
}

fn property<'s>(spec: &'s Spec, key: &str) -> Option<&'s Value> {
    schema::properties(&spec.config)?.get(key)
}

/// Keys that must be there; of alternatives (`anyOf`) those of one that is begun, else of the first.
fn required<'s>(spec: &'s Spec, config: &Config) -> impl Iterator<Item = &'s str> {
    let alternatives =
        spec.config.get("anyOf").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let is_begun =
        |alternative: &&Value| schema::required(alternative).any(|key| config.contains_key(key));
    let chosen = alternatives.iter().find(is_begun).or(alternatives.first());
    schema::required(&spec.config).chain(chosen.into_iter().flat_map(schema::required))
}

/// Required keys that have a default, with it.
fn defaults<'s>(spec: &'s Spec, config: &Config) -> impl Iterator<Item = (&'s str, &'s Value)> {
    required(spec, config).filter_map(|key| Some((key, property(spec, key)?.get("default")?)))
}

fn refuse_unknown(connector: &str, spec: &Spec, config: &Config) -> Result<(), ConfigError> {
    if !schema::is_closed(&spec.config) {
        return Ok(());
    }
    let known = || schema::properties(&spec.config).into_iter().flat_map(Map::keys);
    let Some(key) = config.keys().find(|key| !has_key(spec, key)) else { return Ok(()) };
    let valid: Vec<String> = known().map(|key| format!("`{key}`")).collect();
    Err(ConfigError::UnknownKey {
        connector: connector.to_owned(),
        key: key.clone(),
        hint: hint(&nearest(key, known().map(String::as_str))),
        valid: valid.join(", "),
    })
}

fn refuse_misfits(connector: &str, spec: &Spec, config: &Config) -> Result<(), ConfigError> {
    for (key, value) in config {
        let why = property(spec, key).and_then(|schema| schema::misfit(schema, value));
        if let Some(why) = why {
            return Err(ConfigError::BadValue {
                connector: connector.to_owned(),
                key: key.clone(),
                why,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec() -> Spec {
        Spec::new(json!({
            "type": "object", "additionalProperties": false,
            "required": ["api_key", "api_version"],
            "properties": {
                "api_key": {"type": "string", "writeOnly": true},
                "api_version": {"type": "string", "default": "2026-01-28.clover"},
                "rate_limit": {"type": "integer"},
                "poll_events": {"type": ["boolean", "null"]},
                "child_streams": {"type": "array", "items": {"type": "string"}},
                "list_params": {"type": "object"},
            },
        }))
    }

    fn check(given: Value, pinned: Value) -> Result<Config, String> {
        let (Value::Object(given), Value::Object(pinned)) = (given, pinned) else {
            panic!("objects")
        };
        let places = |key: &str| vec![format!("`--source.{key}`"), "the file".to_owned()];
        complete("source-stripe", &spec(), given, &pinned, &places).map_err(|e| e.to_string())
    }

    #[test]
    fn an_unknown_key_is_met_with_the_nearest_and_all_valid_ones() {
        let error = check(json!({"api_kye": "x"}), json!({})).unwrap_err();
        assert!(error.contains("unknown key `api_kye`"), "{error}");
        assert!(error.contains("did you mean `api_key`"), "{error}");
        assert!(error.contains("`rate_limit`"), "{error}");
    }

    #[test]
    fn a_missing_key_names_every_place_where_it_can_be_given() {
        let error = check(json!({}), json!({})).unwrap_err();
        assert_eq!(
            error,
            "missing `api_key` of `source-stripe`; give it by `--source.api_key`, or the file"
        );
    }

    #[test]
    fn a_default_is_filled_in_once_and_then_kept() {
        let first = check(json!({"api_key": "k"}), json!({})).unwrap();
        assert_eq!(first["api_version"], "2026-01-28.clover");
        assert_eq!(
            Value::Object(pins(&spec(), &first)),
            json!({"api_version": "2026-01-28.clover"})
        );
        let later = check(json!({"api_key": "k"}), json!({"api_version": "2024-06-20"})).unwrap();
        assert_eq!(later["api_version"], "2024-06-20");
        let told = json!({"api_key": "k", "api_version": "2025-01-01"});
        assert_eq!(check(told, json!({"api_version": "x"})).unwrap()["api_version"], "2025-01-01");
    }

    #[test]
    fn of_alternatives_the_first_is_filled_in_unless_another_is_given() {
        let spec = Spec::new(json!({
            "type": "object", "required": ["api_key"],
            "anyOf": [{"required": ["api_version"]}, {"required": ["openapi_spec"]}],
            "properties": {"api_key": {}, "api_version": {"default": "v1"}, "openapi_spec": {}},
        }));
        let completed = |given: Value, pinned: Value| {
            let (Value::Object(given), Value::Object(pinned)) = (given, pinned) else {
                panic!("objects")
            };
            complete("source-stripe", &spec, given, &pinned, &|_| Vec::new()).unwrap()
        };
        let plain = completed(json!({"api_key": "k"}), json!({}));
        assert_eq!(plain["api_version"], "v1");
        assert_eq!(Value::Object(pins(&spec, &plain)), json!({"api_version": "v1"}));
        let other = completed(json!({"api_key": "k", "openapi_spec": "f"}), json!({}));
        assert!(!other.contains_key("api_version"));
        assert!(pins(&spec, &other).is_empty());
        let kept =
            completed(json!({"api_key": "k", "openapi_spec": "f"}), json!({"api_version": "v0"}));
        assert_eq!(kept["api_version"], "v0");
    }

    #[test]
    fn flags_become_what_the_spec_asks_for() {
        let spec = spec();
        assert_eq!(coerce(&spec, "rate_limit", "12"), json!(12));
        assert_eq!(coerce(&spec, "poll_events", "false"), json!(false));
        assert_eq!(coerce(&spec, "child_streams", "a, b"), json!(["a", "b"]));
        assert_eq!(coerce(&spec, "child_streams", r#"["a"]"#), json!(["a"]));
        assert_eq!(coerce(&spec, "list_params", r#"{"a":1}"#), json!({"a": 1}));
        assert_eq!(coerce(&spec, "api_key", "12"), json!("12"));
        let error = check(json!({"api_key": "k", "rate_limit": "fast"}), json!({})).unwrap_err();
        assert!(
            error.ends_with(
                "`rate_limit` of `source-stripe` does not fit: expected integer, found string"
            ),
            "{error}"
        );
    }
}

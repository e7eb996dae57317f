//! A configuration as a user writes it, checked against the schema in the connector's spec.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::about::About;
use crate::error::Error;

/// The variables of the process's environment, read once, by `main`.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Environment").field(&self.0.len()).finish()
    }
}

impl Environment {
    /// A variable that is set to something.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl FromIterator<(std::ffi::OsString, std::ffi::OsString)> for Environment {
    /// Variables that are no UTF-8 are left out.
    fn from_iter<I: IntoIterator<Item = (std::ffi::OsString, std::ffi::OsString)>>(all: I) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(all.into_iter().filter_map(text).collect())
    }
}

/// Decodes a configuration: unknown keys are refused, missing ones taken from the environment.
///
/// # Errors
///
/// One line that names the key, and the keys that there are or the places where it could be given.
pub(crate) fn decode<C: DeserializeOwned>(
    mut config: Map<String, Value>,
    schema: &Value,
    about: &About,
    environment: &Environment,
) -> Result<C, Error> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let known: Vec<&str> = properties.into_iter().flat_map(Map::keys).map(String::as_str).collect();
    if let Some(key) = config.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(unknown_key(key, &known));
    }
    config.retain(|_, value| !value.is_null());
    for (key, variables) in about.environment {
        let found = variables.iter().find_map(|name| environment.get(name));
        if let Some(value) = found {
            config.entry(*key).or_insert_with(|| Value::from(value));
        }
    }
    let required = schema.get("required").and_then(Value::as_array);
    for key in required.into_iter().flatten().filter_map(Value::as_str) {
        if !config.contains_key(key) {
            let property = properties.and_then(|properties| properties.get(key));
            return Err(missing_key(key, property, about));
        }
    }
    refuse_misfits(properties, &config)?;
    serde_json::from_value(Value::Object(config))
        .map_err(|error| Error::config("reading --config").caused_by(error))
}

/// Names the key of a value of another type than the schema says; the value may be a secret.
fn refuse_misfits(
    properties: Option<&Map<String, Value>>,
    config: &Map<String, Value>,
) -> Result<(), Error> {
    for (key, value) in config {
        let kind = properties.and_then(|all| all.get(key)?.get("type")?.as_str());
        let Some(kind) = kind.filter(|kind| !is_a(kind, value)) else { continue };
        return Err(Error::config(format!("reading --config: `{key}` is no {kind}"))
            .hint(format!("give a value of type {kind}")));
    }
    Ok(())
}

fn is_a(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

fn unknown_key(key: &str, known: &[&str]) -> Error {
    let nearest = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(key, candidate), *candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    let meant = nearest.map(|(_, name)| format!("did you mean `{name}`? ")).unwrap_or_default();
    Error::config(format!("reading --config: unknown key `{key}`"))
        .hint(format!("{meant}valid keys: {}", known.join(", ")))
}

fn missing_key(key: &str, property: Option<&Value>, about: &About) -> Error {
    let variables = about
        .environment
        .iter()
        .filter(|(name, _)| *name == key)
        .flat_map(|(_, variables)| variables.iter())
        .map(|name| format!(", or set {name}"))
        .collect::<String>();
    let example = property
        .and_then(|property| property.get("default").or_else(|| property.pointer("/examples/0")))
        .map(|value| format!(", for example {value}"))
        .unwrap_or_default();
    Error::config(format!("reading --config: `{key}` is missing"))
        .hint(format!("give it in --config{example}{variables}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ABOUT: About = About {
        name: "source-x",
        version: "0",
        summary: "",
        example: "",
        environment: &[("api_key", &["X_KEY", "X_API_KEY"])],
    };

    fn read(config: Value, environment: &Environment) -> Result<Map<String, Value>, String> {
        let schema = json!({
            "properties": {"api_key": {}, "api_version": {"default": "2026"}, "base_url": {},
                "rate_limit": {"type": "integer"}},
            "required": ["api_key", "api_version"],
        });
        let Value::Object(config) = config else { panic!("an object") };
        decode(config, &schema, &ABOUT, environment).map_err(|error| error.report())
    }

    fn environment() -> Environment {
        [("X_KEY", ""), ("X_API_KEY", "from the environment")]
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }

    #[test]
    fn an_unknown_key_names_the_nearest_and_all() {
        assert_eq!(
            read(json!({"api_kye": "x"}), &Environment::default()).unwrap_err(),
            "reading --config: unknown key `api_kye`; did you mean `api_key`? valid keys: api_key, api_version, base_url, rate_limit"
        );
    }

    #[test]
    fn a_value_of_another_type_names_its_key_and_is_not_repeated() {
        let given = json!({"api_key": "k", "api_version": "1", "rate_limit": "canary"});
        assert_eq!(
            read(given, &Environment::default()).unwrap_err(),
            "reading --config: `rate_limit` is no integer; give a value of type integer"
        );
    }

    #[test]
    fn a_missing_key_names_every_place_where_it_could_be_given() {
        assert_eq!(
            read(json!({}), &Environment::default()).unwrap_err(),
            "reading --config: `api_key` is missing; give it in --config, or set X_KEY, or set X_API_KEY"
        );
        assert_eq!(
            read(json!({"api_key": "k"}), &Environment::default()).unwrap_err(),
            "reading --config: `api_version` is missing; give it in --config, for example \"2026\""
        );
    }

    #[test]
    fn the_environment_fills_what_the_configuration_leaves_out() {
        let config = read(json!({"api_version": "1"}), &environment()).unwrap();
        assert_eq!(config["api_key"], "from the environment");
        let config = read(json!({"api_key": "k", "api_version": "1"}), &environment()).unwrap();
        assert_eq!(config["api_key"], "k");
    }
}

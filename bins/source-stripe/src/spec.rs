//! What this program says about its configuration and its state.

use protocol::Spec;
use serde_json::{Value, json};
use stripe_api::Catalogue;

use crate::config::STRIPE;

/// The spec: a closed, flat schema of the configuration, and the shape of a stream's state.
pub(crate) fn spec() -> Spec {
    let mut spec = Spec::new(json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stripe",
        "type": "object",
        "properties": properties(),
        "required": ["api_key", "api_version"],
        "additionalProperties": false,
    }));
    spec.source_state_stream = Some(state());
    spec
}

fn properties() -> Value {
    let (mut all, reading) = (connection(), reading());
    if let (Some(all), Value::Object(reading)) = (all.as_object_mut(), reading) {
        all.extend(reading);
    }
    all
}

/// Whose data is read, and where.
fn connection() -> Value {
    let version = &Catalogue::embedded().api_version;
    json!({
        "api_key": {
            "type": "string", "writeOnly": true,
            "description": "Stripe key, secret or restricted (sk_…, rk_…). Read permission is enough.",
        },
        "api_version": {
            "type": "string", "default": version, "enum": [version],
            "description": "Version of Stripe's API, sent with every request.",
        },
        "base_url": {
            "type": "string", "format": "uri", "default": STRIPE,
            "description": "Where Stripe's API is. A path prefix is kept.",
        },
        "account_id": {
            "type": "string", "examples": ["acct_1"],
            "description": "Account that the key must belong to. Needed only if the key may not read the account.",
        },
        "account_created": {
            "type": "integer", "minimum": 0,
            "description": "When the account was made, in unix seconds. Asked of Stripe when absent.",
        },
        "account": {
            "type": "string", "examples": ["acct_2"],
            "description": "Connected account to read, sent as Stripe-Account.",
        },
        "livemode": {
            "type": "boolean",
            "description": "Refuses a key of the other mode.",
        },
    })
}

/// How it is read.
fn reading() -> Value {
    let positive = |description: &str| json!({"type": "integer", "minimum": 1, "maximum": u32::MAX, "description": description});
    json!({
        "rate_limit": positive("Requests a second. Default 50 with a live key, 10 with a test key."),
        "endpoint_rate_limit": positive(
            "Requests a second to each endpoint. Default 15 with a live key, 10 with a test key.",
        ),
        "max_in_flight": positive("Requests under way at once. Default 32."),
        "max_api_calls": {
            "type": "integer", "minimum": 1,
            "description": "Most requests in one run; the next run goes on from there.",
        },
        "backfill_limit": {
            "type": "integer", "minimum": 1,
            "description": "Most records of each stream in one run; the next run goes on from there.",
        },
        "relist_every": {
            "type": "integer", "minimum": 0, "maximum": u32::MAX,
            "description": "Seconds after which a list is read again of which nothing else tells what is new. Default 86400.",
        },
        "expand_lists": {
            "type": "boolean", "default": true,
            "description": "Fetches the rest of lists inside objects, which show ten elements: a request or more for each.",
        },
        "list_params": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": {"type": ["string", "number", "boolean"]},
            },
            "examples": [{"invoices": {"status": "open"}}],
            "description": "Further query parameters of list requests, by stream.",
        },
    })
}

fn state() -> Value {
    let time = json!({"type": "string"});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "accounted_range": {
                "type": "object",
                "properties": {"gte": time, "lt": time},
                "required": ["gte", "lt"],
                "additionalProperties": false,
            },
            "remaining": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "gte": time,
                        "lt": time,
                        "cursor": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                    },
                    "required": ["gte", "lt", "cursor"],
                    "additionalProperties": false,
                },
            },
        },
        "required": ["accounted_range", "remaining"],
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_schema_describes_every_key_and_no_other() {
        let config = spec().config;
        let described = config["properties"].as_object().unwrap();
        // The `Debug` of a struct names its fields: the one list of them that cannot go stale.
        let sample = json!({"api_key": "k", "api_version": "v"});
        let sample = format!("{:#?}", serde_json::from_value::<Config>(sample).unwrap());
        let fields: Vec<&str> = sample
            .lines()
            .filter_map(|line| line.strip_prefix("    ")?.split_once(": "))
            .map(|(name, _)| name)
            .filter(|name| !name.starts_with(' '))
            .collect();
        assert_eq!(described.keys().map(String::as_str).collect::<Vec<_>>(), fields);
    }

    #[test]
    fn only_the_key_is_secret() {
        let config = spec().config;
        let secret = config["properties"].as_object().unwrap().iter();
        let secret: Vec<_> = secret.filter(|(_, schema)| schema["writeOnly"] == true).collect();
        assert_eq!(secret.len(), 1);
        assert_eq!(secret[0].0, "api_key");
    }
}

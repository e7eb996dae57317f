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
        "required": ["api_key"],
        "anyOf": [{"required": ["api_version"]}, {"required": ["openapi_spec"]}],
        "additionalProperties": false,
    }));
    spec.source_state_stream = Some(state());
    spec.source_input = Some(input());
    spec.acks = true;
    spec
}

fn properties() -> Value {
    let mut all = connection();
    for more in [reading(), changing(), live()] {
        if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
            all.extend(more);
        }
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
            "type": "string", "default": version,
            "description": "Version of Stripe's API, sent with every request. One other than the default needs openapi_spec, which names it too.",
        },
        "openapi_spec": {
            "type": "string",
            "examples": ["spec3.json", "https://raw.githubusercontent.com/stripe/openapi/v1180/openapi/spec3.json"],
            "description": "Stripe's OpenAPI file of another version, a path or an address: its streams are read.",
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
        "child_streams": {
            "anyOf": [
                {"type": "array", "items": {"type": "string", "examples": under_parents()}},
                {"type": "string"},
            ],
            "examples": ["all", ["customer_tax_ids", "checkout_session_line_items"]],
            "description": "Streams that are read parent by parent, a request or more for each; `all` for all of them. None are without it.",
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

/// The streams that are read parent by parent.
fn under_parents() -> Vec<&'static str> {
    Catalogue::embedded().keyed.iter().map(|keyed| keyed.facts.name.as_str()).collect()
}

/// How changes are read.
fn changing() -> Value {
    json!({
        "poll_events": {
            "type": "boolean", "default": true,
            "description": "Reads what changed from Stripe's events, after the lists.",
        },
        "events_overlap_seconds": {
            "type": "integer", "minimum": 0, "maximum": 86_400,
            "description": "How far before the last place events are read again, because they may show late. Default 60.",
        },
        "revalidate_objects": {
            "type": "array", "items": {"type": "string"},
            "examples": [["subscriptions"]],
            "description": "Streams, kinds of objects or types of events whose objects are asked for again instead of being taken from the event: a request for each.",
        },
        "event_version_mismatch": {
            "type": "string", "enum": ["fetch", "accept"], "default": "fetch",
            "description": "What to do with events in another API version than `api_version`: ask for the object again, a request for each, or take it as it is.",
        },
    })
}

/// How events come while a read goes on.
fn live() -> Value {
    let secret = json!({"type": "string", "minLength": 1});
    json!({
        "webhook_url": {
            "type": "string", "format": "uri", "examples": ["https://sync.example.com/webhook"],
            "description": "Where Stripe is to send webhooks: setup makes the endpoint, teardown removes it. Its path is the one that is listened to, else /webhook.",
        },
        "webhook_secret": {
            "anyOf": [secret, {"type": "array", "items": secret}], "writeOnly": true,
            "description": "Signing secret of the webhook endpoint (whsec_…), or several while one is being rolled.",
        },
        "webhook_port": {
            "type": "integer", "minimum": 0, "maximum": u16::MAX,
            "description": "Port on which a read that follows listens for webhooks; 0 is a free one.",
        },
        "webhook_host": {
            "type": "string", "default": "127.0.0.1", "examples": ["0.0.0.0"],
            "description": "IP address to listen on.",
        },
        "websocket": {
            "type": "boolean", "default": false,
            "description": "A read that follows takes events through the WebSocket of the Stripe CLI, which Stripe does not document: no promise.",
        },
        "input": {
            "type": "string", "enum": ["stdin"],
            "description": "With stdin, a read only turns events from stdin into records, until its end.",
        },
    })
}

/// What it takes on stdin: an event, or a webhook as whoever received it passes it on.
fn input() -> Value {
    let text = json!({"type": "string"});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "anyOf": [
            {
                "type": "object",
                "title": "An event of Stripe's",
                "properties": {
                    "id": text,
                    "type": text,
                    "created": {"type": "integer"},
                    "data": {
                        "type": "object",
                        "properties": {"object": {"type": "object"}},
                        "required": ["object"],
                    },
                },
                "required": ["id", "type", "created", "data"],
            },
            {
                "type": "object",
                "title": "A webhook with its headers",
                "properties": {"body": text, "headers": {"type": "object"}},
                "required": ["body", "headers"],
            },
            {
                "type": "object",
                "title": "A webhook with its Stripe-Signature",
                "properties": {"body": text, "signature": text},
                "required": ["body", "signature"],
            },
        ],
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
    fn only_keys_are_secret() {
        let config = spec().config;
        let secret = config["properties"].as_object().unwrap().iter();
        let secret: Vec<_> = secret.filter(|(_, schema)| schema["writeOnly"] == true).collect();
        let secret: Vec<&str> = secret.into_iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(secret, ["api_key", "webhook_secret"]);
    }
}

//! `POST` and `DELETE` of `/v1/webhook_endpoints`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::answer::ApiError;
use crate::change::{Changer, Deed, merge};
use crate::mix::mix;
use crate::objects::{Stream, letters, set};
use crate::params::{pairs, stem};

/// The stream that endpoints are in.
pub(crate) const ENDPOINTS: &str = "webhook_endpoints";

/// The endpoints that were set up while it ran. Those that the seed made up get nothing.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    endpoints: BTreeMap<String, Registered>,
    /// What was answered under an idempotency key.
    answers: BTreeMap<String, Value>,
}

/// An endpoint that was set up.
#[derive(Debug, Clone)]
pub(crate) struct Registered {
    pub(crate) secret: String,
    /// Events before this number are not for it.
    pub(crate) since: usize,
}

/// What is to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written<'a> {
    /// Of what; none if it is new.
    pub(crate) id: Option<&'a str>,
    pub(crate) method: &'a str,
    /// The parameters, as a form.
    pub(crate) form: &'a str,
    pub(crate) idempotency_key: Option<&'a str>,
    /// How many events there are.
    pub(crate) events: usize,
}

impl Registry {
    /// The endpoints, by id.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = (&str, &Registered)> {
        self.endpoints.iter().map(|(id, registered)| (id.as_str(), registered))
    }

    /// The endpoint with that id.
    pub(crate) fn endpoint(&self, id: &str) -> Option<&Registered> {
        self.endpoints.get(id)
    }
}

/// Sets up, changes or deletes an endpoint; gives the object as Stripe answers it.
pub(crate) fn write(
    registry: &mut Registry,
    changer: &Changer<'_>,
    stream: &Stream,
    written: Written<'_>,
) -> Result<Value, ApiError> {
    match (written.method, written.id) {
        ("POST", None) => create(registry, changer, stream, written),
        ("POST", Some(id)) => update(changer, stream, id, written.form),
        ("DELETE", Some(id)) => {
            let missing = || ApiError::missing(404, &stream.facts.object, id, "id");
            changer.apply(stream, id, Deed::Delete, 0).ok_or_else(missing)?;
            registry.endpoints.remove(id);
            Ok(json!({"id": id, "object": stream.facts.object, "deleted": true}))
        }
        _ => Err(ApiError::unknown_url(written.method, &stream.facts.path)),
    }
}

fn create(
    registry: &mut Registry,
    changer: &Changer<'_>,
    stream: &Stream,
    written: Written<'_>,
) -> Result<Value, ApiError> {
    let key = written.idempotency_key;
    if let Some(answer) = key.and_then(|key| registry.answers.get(key)) {
        return Ok(answer.clone());
    }
    let settings = Value::Object(settings(written.form)?);
    for name in ["url", "enabled_events"] {
        settings.get(name).ok_or_else(|| ApiError::missing_param(name))?;
    }
    let usual = json!({"api_version": null, "application": null, "description": null, "metadata": {}, "status": "enabled"});
    let made = changer.create_with(stream, |object| {
        merge(object, &usual);
        merge(object, &settings);
        if let Value::Object(map) = object {
            map.remove("secret");
        }
    });
    let impossible = || ApiError::invalid(400, "fake-stripe cannot make up an endpoint".to_owned());
    let mut object = made.ok_or_else(impossible)?;
    let id = object.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let secret = secret(&id);
    set(&mut object, "secret", json!(secret));
    registry.endpoints.insert(id, Registered { secret, since: written.events });
    if let Some(key) = key {
        registry.answers.insert(key.to_owned(), object.clone());
    }
    Ok(object)
}

fn update(changer: &Changer<'_>, stream: &Stream, id: &str, form: &str) -> Result<Value, ApiError> {
    let missing = || ApiError::missing(404, &stream.facts.object, id, "id");
    let settings = Value::Object(settings(form)?);
    changer.set(stream, id, &settings).ok_or_else(missing)?;
    let view = stream.now();
    let position = view.position(id).ok_or_else(missing)?;
    Ok(view.whole(position))
}

/// The secret is the same each time, like everything that is made up.
fn secret(id: &str) -> String {
    let seed = id.bytes().fold(0, |seed, byte| mix(&[seed, u64::from(byte)]));
    let mut secret = b"whsec_".to_vec();
    letters(seed, 32, &mut secret);
    String::from_utf8_lossy(&secret).into_owned()
}

fn settings(form: &str) -> Result<Map<String, Value>, ApiError> {
    let mut settings = Map::new();
    for (name, value) in pairs(form) {
        match stem(&name) {
            "url" => {
                settings.insert("url".to_owned(), json!(checked_url(value)?));
            }
            "enabled_events" => {
                let events = settings.entry("enabled_events").or_insert_with(|| json!([]));
                if let Value::Array(events) = events {
                    events.push(json!(value));
                }
            }
            "metadata" => {
                let metadata = settings.entry("metadata").or_insert_with(|| json!({}));
                let key = name.split(['[', ']']).nth(1).unwrap_or_default();
                set(metadata, key, json!(value));
            }
            "disabled" => {
                let status = if value == "true" { "disabled" } else { "enabled" };
                settings.insert("status".to_owned(), json!(status));
            }
            "api_version" | "description" => {
                settings.insert(name, json!(value));
            }
            "connect" | "expand" => {}
            _ => {
                let message = format!("Received unknown parameter: {name}");
                let refusal = ApiError::invalid(400, message).code("parameter_unknown");
                return Err(refusal.param(&name));
            }
        }
    }
    Ok(settings)
}

fn checked_url(url: String) -> Result<String, ApiError> {
    if url.starts_with("http://") || url.starts_with("https://") {
        return Ok(url);
    }
    let message = "Invalid URL: An explicit scheme (such as https) must be provided.";
    Err(ApiError::invalid(400, message.to_owned()).code("url_invalid").param("url"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_into_settings() {
        let form = "url=http%3A%2F%2F127.0.0.1%2Fhook&enabled_events[]=a&enabled_events[1]=b&metadata[managed_by]=x&disabled=true";
        let expected = json!({
            "url": "http://127.0.0.1/hook",
            "enabled_events": ["a", "b"],
            "metadata": {"managed_by": "x"},
            "status": "disabled",
        });
        assert_eq!(Value::Object(settings(form).unwrap()), expected);
        assert_eq!(settings("url=ftp").unwrap_err().code, Some("url_invalid"));
        assert_eq!(settings("who=me").unwrap_err().code, Some("parameter_unknown"));
    }
}

//! One event: its head is read, its object stays text.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::summary;
use crate::page::RawList;

/// The type that ends so tells the end of an object.
const DELETED: &str = ".deleted";
/// The object that goes on after its `deleted` event: a canceled subscription is still there.
const CANCELED: &str = "subscription";

/// A change as Stripe tells it (<https://docs.stripe.com/api/events>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its own id, `evt_…`.
    pub(crate) id: String,
    /// `customer.updated` and its like.
    pub(crate) kind: String,
    /// When it happened, unix seconds.
    pub(crate) created: i64,
    /// The connected account whose event it is.
    pub(crate) account: Option<String>,
    /// The version of the API in which the object is written.
    pub(crate) api_version: Option<String>,
    /// What kind of object changed: its `object` property.
    pub(crate) object: String,
    /// The object's id; a preview has none.
    pub(crate) object_id: Option<String>,
    /// The object as it was then, as it stands in the event.
    pub(crate) text: String,
    /// Whether the object says of itself that it is gone, or a summary that has left it out.
    is_gone: bool,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    created: i64,
    #[serde(default)]
    account: Option<String>,
    #[serde(default)]
    api_version: Option<String>,
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    object: &'a RawValue,
    #[serde(borrow, default)]
    previous_attributes: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    object: Cow<'a, str>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    deleted: Option<bool>,
}

impl Event {
    /// Reads an event: what it tells of its object, or of each object that it sums up.
    ///
    /// # Errors
    ///
    /// When it is none, in a clause for a message.
    pub(crate) fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        let whole = Self::parse(text)?;
        if whole.object != summary::OBJECT {
            return Ok(vec![whole]);
        }
        let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|why| why.to_string())?;
        let previous = envelope.data.previous_attributes.map(RawValue::get);
        let parts = summary::parts(&whole.text, previous)
            .map_err(|why| format!("the summary in `{}`: {why}", whole.id))?;
        let part = |part: summary::Part| Self {
            id: format!("{}/{}", whole.id, part.id),
            object: part.object,
            object_id: Some(part.id),
            text: part.text,
            is_gone: part.is_gone,
            ..whole.clone()
        };
        Ok(parts.into_iter().map(part).collect())
    }

    /// Reads an event.
    ///
    /// # Errors
    ///
    /// When it is none, in a clause for a message.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|why| why.to_string())?;
        let Envelope { id, kind, created, account, api_version, data } = envelope;
        let head: Head<'_> = serde_json::from_str(data.object.get())
            .map_err(|why| format!("the object of `{id}`: {why}"))?;
        Ok(Self {
            id,
            kind,
            created,
            account,
            api_version,
            object: head.object.into_owned(),
            object_id: head.id,
            text: data.object.get().to_owned(),
            is_gone: head.deleted == Some(true),
        })
    }

    /// Whether it tells the end of the object itself.
    pub(crate) fn is_end(&self) -> bool {
        self.is_gone || self.kind.ends_with(DELETED) && self.object != CANCELED
    }
}

/// A page of `/v1/events`, newest first.
#[derive(Debug, Default)]
pub(crate) struct EventPage {
    /// The events that could be read.
    pub(crate) events: Vec<Event>,
    /// How many could not, and why the first.
    pub(crate) poison: (usize, Option<String>),
    /// Id of the last event of the page.
    pub(crate) last_id: Option<String>,
    /// Whether older ones follow.
    pub(crate) has_more: bool,
}

impl EventPage {
    /// Reads a body. One event that is none does not spoil the others.
    ///
    /// # Errors
    ///
    /// When it is no list, or one that cannot be followed.
    pub(crate) fn read(body: &[u8]) -> Result<Self, String> {
        let listed: RawList<'_> = serde_json::from_slice(body)
            .map_err(|why| format!("JSON that is no list of events: {why}"))?;
        let mut page = Self { has_more: listed.has_more, ..Self::default() };
        for text in &listed.data {
            match Event::parse_all(text.get()) {
                Ok(events) => page.events.extend(events),
                Err(why) => {
                    page.poison.0 = page.poison.0.saturating_add(1);
                    page.poison.1.get_or_insert(why);
                }
            }
        }
        page.last_id = listed.last_id();
        if page.has_more && page.last_id.is_none() {
            return Err("a list of events that goes on after an event without `id`".to_owned());
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn event(kind: &str, object: &Value) -> Event {
        let event = json!({"id": "evt_1", "type": kind, "created": 7, "data": {"object": object}});
        Event::parse(&event.to_string()).unwrap()
    }

    #[test]
    fn the_object_keeps_its_bytes() {
        let text = "{\"id\":\"evt_1\", \"type\":\"customer.updated\", \"created\":7, \"account\":\"acct_2\", \
                    \"api_version\":\"v\", \"data\": {\"object\": {\"id\": \"cus_1\",\n\"object\":\"customer\", \"n\": 1.10}}}";
        let event = Event::parse(text).unwrap();
        assert_eq!(event.text, "{\"id\": \"cus_1\",\n\"object\":\"customer\", \"n\": 1.10}");
        assert_eq!(
            (event.object.as_str(), event.object_id.as_deref()),
            ("customer", Some("cus_1"))
        );
        assert_eq!((event.account.as_deref(), event.created), (Some("acct_2"), 7));
        assert!(!event.is_end());
    }

    #[test]
    fn deletes_are_seen_on_every_resource_that_has_them_and_a_canceled_subscription_stays() {
        let mut seen = 0;
        for stream in &stripe_api::Catalogue::embedded().streams {
            let object = json!({"id": "x", "object": stream.object});
            for kind in stream.event_types.iter().filter(|kind| kind.ends_with(".deleted")) {
                seen += 1;
                assert_eq!(event(kind, &object).is_end(), stream.name != "subscriptions", "{kind}");
            }
            assert!(!event(&format!("{}.updated", stream.object), &object).is_end());
        }
        assert!(seen >= 10, "{seen}");
        let stub = json!({"id": "x", "object": "subscription", "deleted": true});
        assert!(event("customer.subscription.updated", &stub).is_end());
    }

    #[test]
    fn a_poison_event_does_not_spoil_the_others() {
        let good = json!({"id": "evt_1", "type": "a.b", "created": 1, "data": {"object": {"object": "a"}}});
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(1000), "]".repeat(1000));
        let deep = format!(
            r#"{{"id":"evt_2","type":"a.b","created":1,"data":{{"object":{{"object":"a","deep":{deep}}}}}}}"#
        );
        for poison in [
            "{}",
            "7",
            "null",
            r#"{"id":1}"#,
            r#"{"id":"e","type":"a","created":1,"data":{"object":7}}"#,
            r#"{"id":"e","type":"a","created":1,"data":{"object":{"id":7,"object":"a"}}}"#,
        ] {
            let body = format!(r#"{{"data":[{poison},{good},{deep}],"has_more":false}}"#);
            let page = EventPage::read(body.as_bytes()).unwrap();
            assert_eq!((page.events.len(), page.poison.0), (2, 1), "{poison}");
        }
        assert!(EventPage::read(br#"{"data":[{}],"has_more":true}"#).is_err());
        assert!(EventPage::read(br#"{"data":[],"has_more":true}"#).is_err());
        assert!(EventPage::read(b"<html>").is_err());
    }

    proptest! {
        #[test]
        fn any_text_ends_without_a_crash(text in "[\\PC{}\\[\\]:,\"a-z0-9]{0,80}") {
            drop(Event::parse(&text));
            drop(EventPage::read(text.as_bytes()));
        }
    }
}

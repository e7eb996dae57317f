//! Events: which type tells a change, and what the event looks like.

use serde_json::{Value, json};
use stripe_api::{Freshness, StreamFacts};

use super::apply::Deed;
use crate::mix::mix;
use crate::objects::choose;

/// The stream that events are in.
pub(crate) const EVENTS: &str = "events";

/// Stripe keeps events for 30 days.
pub(crate) const KEPT_SECONDS: i64 = 30 * 86_400;

/// How the type ends that tells of a new object: of charges there is no `created`.
const BEGINNINGS: [&str; 5] = [".created", ".succeeded", ".attached", ".opened", ".completed"];

/// How the type ends of an event whose object sums up others.
const SUMMARY: &str = "_summary.updated";

/// A change to be told.
pub(crate) struct Told<'a> {
    pub(crate) kind: &'a str,
    pub(crate) object: Value,
    /// What an update changed.
    pub(crate) previous: Option<Value>,
}

/// What all events of an account say.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) api_version: String,
    pub(crate) livemode: bool,
    /// The connected account whose event it is.
    pub(crate) account: Option<String>,
}

/// The event type that tells of such a change to an object of the stream; `random` decides where
/// several would do. Rotated addresses are no change.
pub(crate) fn event_type(facts: &StreamFacts, deed: Deed, random: u64) -> Option<&str> {
    // A summary tells of many objects at once; nothing here makes one up.
    let own = |kind: &&str| !kind.ends_with(SUMMARY);
    let types: Vec<&str> = facts.event_types.iter().map(String::as_str).filter(own).collect();
    let ending = |end: &str| types.iter().copied().find(|kind| kind.ends_with(end));
    match deed {
        Deed::Create | Deed::Recreate => BEGINNINGS.iter().find_map(|end| ending(end)),
        Deed::Delete | Deed::Cancel => ending(".deleted"),
        Deed::Rotate => None,
        Deed::Update | Deed::Toggle => ending(".updated").or_else(|| {
            let other = |kind: &&str| !kind.ends_with(".created") && !kind.ends_with(".deleted");
            let others: Vec<&str> = types.iter().copied().filter(other).collect();
            choose(&others, mix(&[random]))
        }),
    }
}

/// Whether the change can happen in secret: only where lists are the one way to learn of it.
pub(crate) fn may_be_silent(facts: &StreamFacts) -> bool {
    facts.freshness == Freshness::Relist
}

/// The event with that id.
pub(crate) fn event(id: &str, created: i64, told: Told<'_>, origin: &Origin) -> Value {
    let mut data = json!({"object": told.object});
    if let (Some(previous), Value::Object(map)) = (told.previous, &mut data) {
        map.insert("previous_attributes".to_owned(), previous);
    }
    let mut event = json!({
        "id": id,
        "object": "event",
        "api_version": origin.api_version,
        "created": created,
        "data": data,
        "livemode": origin.livemode,
        "pending_webhooks": 0,
        "request": {"id": null, "idempotency_key": null},
        "type": told.kind,
    });
    if let (Some(account), Value::Object(map)) = (&origin.account, &mut event) {
        map.insert("account".to_owned(), json!(account));
    }
    event
}

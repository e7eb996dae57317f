//! What is said through the WebSocket of the Stripe CLI. Pure. Stripe does not document it.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::delivery::Outcome;

/// Whom an event is said to be passed on to.
const FORWARDED_TO: &str = "sync-engine";

/// A session, as it is opened.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Session {
    /// Where to connect.
    pub(crate) websocket_url: String,
    /// Names the session there.
    pub(crate) websocket_id: String,
    /// What is wanted of it.
    #[serde(rename = "websocket_authorized_feature")]
    pub(crate) feature: String,
    /// After how many seconds to connect anew.
    #[serde(default = "a_minute")]
    pub(crate) reconnect_delay: u64,
}

const fn a_minute() -> u64 {
    60
}

/// An event that came through.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Frame {
    #[serde(rename = "type")]
    kind: String,
    webhook_id: String,
    #[serde(default)]
    webhook_conversation_id: String,
    /// The event, as text.
    pub(crate) event_payload: String,
    #[serde(default)]
    http_headers: Map<String, Value>,
}

impl Frame {
    /// Reads a frame; none if it is no event.
    pub(crate) fn read(text: &str) -> Option<Self> {
        serde_json::from_str::<Self>(text).ok().filter(|frame| frame.kind == "webhook_event")
    }

    /// What is said once it is known what became of the event: that it has come, and with which
    /// status it was taken. Nothing known is a 503.
    pub(crate) fn replies(self, outcome: Option<&Outcome>) -> [String; 2] {
        let (status, body) = match outcome {
            Some(Outcome::Kept | Outcome::NotOurs) => (200, json!({})),
            Some(Outcome::Refused(why)) => (400, json!({ "error": why })),
            None => (503, json!({"error": "not confirmed"})),
        };
        let Self { webhook_id, webhook_conversation_id, event_payload, http_headers, .. } = self;
        let ack = json!({
            "type": "event_ack",
            "event_id": webhook_id,
            "webhook_id": webhook_id,
            "webhook_conversation_id": webhook_conversation_id,
        });
        let response = json!({
            "type": "webhook_response",
            "webhook_id": webhook_id,
            "webhook_conversation_id": webhook_conversation_id,
            "notification_id": webhook_id,
            "forward_url": FORWARDED_TO,
            "status": status,
            "http_headers": {},
            "body": body.to_string(),
            "request_headers": http_headers,
            "request_body": event_payload,
        });
        [ack.to_string(), response.to_string()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_answered_with_what_became_of_it() {
        let text = r#"{"type":"webhook_event","webhook_id":"wh_1","webhook_conversation_id":"wc_1","event_payload":"{\"id\":\"evt_1\"}","http_headers":{"a":"b"},"endpoint":{}}"#;
        let frame = Frame::read(text).unwrap();
        assert_eq!(frame.event_payload, r#"{"id":"evt_1"}"#);
        for (outcome, status) in [
            (Some(Outcome::Kept), 200),
            (Some(Outcome::NotOurs), 200),
            (Some(Outcome::Refused("no".to_owned())), 400),
            (None, 503),
        ] {
            let [ack, response] = frame.clone().replies(outcome.as_ref());
            let ack: Value = serde_json::from_str(&ack).unwrap();
            assert_eq!((&ack["type"], &ack["event_id"]), (&json!("event_ack"), &json!("wh_1")));
            let response: Value = serde_json::from_str(&response).unwrap();
            assert_eq!(response["status"], status);
            assert_eq!(response["webhook_conversation_id"], "wc_1");
        }
    }

    #[test]
    fn everything_else_is_no_event() {
        for text in ["", "7", "{}", r#"{"type":"v2_event","webhook_id":"x","event_payload":"y"}"#] {
            assert!(Frame::read(text).is_none(), "{text}");
        }
    }
}

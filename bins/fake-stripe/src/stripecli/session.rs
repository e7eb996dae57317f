//! Sessions, and what is said in them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::mix::mix;
use crate::objects::letters;
use crate::webhooks::signature;

/// A session lasts this long before its client connects anew, in seconds.
const RECONNECT_SECONDS: u32 = 60;

/// The feature that events come with.
const FEATURE: &str = "webhooks";

/// The sessions that were opened.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    /// The account of each, by the session's id.
    accounts: Mutex<BTreeMap<String, String>>,
    opened: AtomicU64,
    acknowledged: AtomicU64,
    connections: AtomicU64,
}

/// One event as it goes through the socket.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) session: &'a str,
    pub(crate) event: &'a Value,
    /// When it is sent, in unix seconds.
    pub(crate) time: i64,
}

impl Sessions {
    /// Opens a session for an account, and gives its id.
    pub(crate) fn open(&self, account: &str) -> String {
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        let id = word("cliws_", number);
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.insert(id.clone(), account.to_owned());
        id
    }

    /// The account of the session with that id.
    pub(crate) fn account(&self, id: &str) -> Option<String> {
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.get(id).cloned()
    }

    /// Counts what a client says: events that it has.
    pub(crate) fn hear(&self, text: &str) {
        let said: Value = serde_json::from_str(text).unwrap_or_default();
        if said.get("type").is_some_and(|kind| kind == "event_ack") {
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a client that is connected, and gets what happens from now on.
    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// How often a client connected.
    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// How many events were acknowledged.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }
}

/// The answer to a request that opened a session; `host` is where the fake was asked.
pub(crate) fn opened(session: &str, host: &str) -> Value {
    json!({
        "object": "stripecli_session",
        "reconnect_delay": RECONNECT_SECONDS,
        "secret": secret(session),
        "websocket_authorized_feature": FEATURE,
        "websocket_id": session,
        "websocket_url": format!("ws://{host}/__stripecli"),
    })
}

impl Frame<'_> {
    /// The text that is sent.
    pub(crate) fn text(&self) -> String {
        let payload = format!("{:#}", self.event);
        let signature = signature(&secret(self.session), self.time, payload.as_bytes());
        let id = self.event.get("id").and_then(Value::as_str).unwrap_or_default();
        json!({
            "type": "webhook_event",
            "webhook_id": format!("wh_{id}"),
            "webhook_conversation_id": format!("wc_{id}"),
            "event_payload": payload,
            "http_headers": {"Stripe-Signature": signature},
            "endpoint": {"url": "", "status": "enabled"},
        })
        .to_string()
    }
}

fn secret(session: &str) -> String {
    word("whsec_", session.bytes().fold(0, |seed, byte| mix(&[seed, u64::from(byte)])))
}

fn word(prefix: &str, seed: u64) -> String {
    let mut word = prefix.as_bytes().to_vec();
    letters(mix(&[seed]), 32, &mut word);
    String::from_utf8_lossy(&word).into_owned()
}

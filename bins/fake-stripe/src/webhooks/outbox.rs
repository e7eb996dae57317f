//! The webhooks of one account: who gets which event, and what is sent.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::endpoint::{ENDPOINTS, Registered, Registry, Written, write};
use super::queue::{Delivery, Manner, Queue};
use super::sender::Message;
use super::sign::signature;
use crate::answer::ApiError;
use crate::change::{Changer, EVENTS};
use crate::objects::{Stream, World, set, text_property};

/// What is to be sent from one account.
pub(crate) struct Outbox {
    registry: Mutex<Registry>,
    queue: Mutex<Queue>,
}

impl Outbox {
    pub(crate) fn new(manner: Manner) -> Self {
        Self { registry: Mutex::default(), queue: Mutex::new(Queue::new(manner)) }
    }

    /// Sets up, changes or deletes an endpoint.
    pub(crate) fn write(
        &self,
        changer: &Changer<'_>,
        stream: &Stream,
        written: Written<'_>,
    ) -> Result<Value, ApiError> {
        write(&mut self.registry(), changer, stream, written)
    }

    /// Takes out what is due, in milliseconds.
    pub(crate) fn due(&self, world: &World, now: i64) -> Vec<Delivery> {
        self.collect(world);
        self.queue().due(now)
    }

    /// The counters.
    pub(crate) fn to_json(&self, world: &World) -> Value {
        self.collect(world);
        self.queue().to_json()
    }

    /// The request for a delivery, sent now, in unix seconds; none if its endpoint is gone or
    /// disabled, and then it is forgotten.
    pub(crate) fn message(&self, world: &World, delivery: &Delivery, now: i64) -> Option<Message> {
        let message = self.compose(world, delivery, now);
        if message.is_none() {
            self.queue().forget();
        }
        message
    }

    /// Settles a delivery that was taken out.
    pub(crate) fn settle(&self, delivery: Delivery, accepted: bool, now: i64) {
        self.queue().settle(delivery, accepted, now);
    }

    fn compose(&self, world: &World, delivery: &Delivery, now: i64) -> Option<Message> {
        let secret = self.registry().endpoint(&delivery.endpoint)?.secret.clone();
        let endpoint = endpoint(world, &delivery.endpoint)?;
        let view = world.stream(EVENTS)?.now();
        let position = view.len().checked_sub(delivery.event + 1)?;
        let mut event = view.whole(position);
        if let Some(version) = endpoint.get("api_version").filter(|version| version.is_string()) {
            set(&mut event, "api_version", version.clone());
        }
        set(&mut event, "pending_webhooks", json!(1));
        let body = format!("{event:#}").into_bytes();
        let signature = signature(&secret, now, &body);
        let url = endpoint.get("url")?.as_str()?.to_owned();
        Some(Message { url, body, signature })
    }

    /// Puts the events that are new into the queue.
    fn collect(&self, world: &World) {
        let Some(events) = world.stream(EVENTS) else { return };
        let registry = self.registry();
        let mut queue = self.queue();
        let view = events.now();
        if registry.endpoints().next().is_none() {
            queue.seen = view.len();
            return;
        }
        for number in queue.seen..view.len() {
            let position = view.len() - number - 1;
            let kind = text_property(view.object(position), "type").unwrap_or_default();
            let at = view.created(position).saturating_mul(1_000);
            let endpoints = registry.endpoints();
            let takers = endpoints.filter(|(id, own)| takes(world, id, own, number, kind));
            takers.for_each(|(id, _)| queue.add(number, id, at));
        }
        queue.seen = view.len();
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An endpoint that is enabled, as an object.
fn endpoint(world: &World, id: &str) -> Option<Value> {
    let view = world.stream(ENDPOINTS)?.now();
    let position = view.position(id).filter(|position| view.is_there(*position))?;
    let is_enabled = view.status(position) == Some("enabled");
    is_enabled.then(|| view.whole(position))
}

fn takes(world: &World, id: &str, registered: &Registered, number: usize, kind: &str) -> bool {
    let wanted = |endpoint: &Value| match endpoint.get("enabled_events") {
        Some(Value::Array(types)) => types.iter().any(|wanted| wanted == "*" || wanted == kind),
        _ => false,
    };
    number >= registered.since && endpoint(world, id).is_some_and(|endpoint| wanted(&endpoint))
}

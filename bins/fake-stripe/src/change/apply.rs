//! One change to one object, with the event that tells it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::diff::previous;
use super::edit;
use super::event::{EVENTS, Origin, Told, event, event_type, may_be_silent};
use crate::objects::{Stream, Version, View, World, cut, print, set, time_text};

/// What can happen to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Deed {
    Create,
    Update,
    /// Something is switched, so that a second time puts it back.
    Toggle,
    Delete,
    /// A deleted object is there again, under the same id, as it was; also its creation time.
    Recreate,
    /// A subscription ends: `status` becomes `canceled`, and it stays.
    Cancel,
    /// Its volatile links are signed anew, which no event tells.
    Rotate,
}

impl Deed {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Toggle => "toggle",
            Self::Delete => "delete",
            Self::Recreate => "recreate",
            Self::Cancel => "cancel",
            Self::Rotate => "rotate",
        }
    }
}

/// Streams whose objects can be deleted: those that Stripe has a `DELETE` for.
const DELETABLE: [&str; 17] = [
    "accounts",
    "apple_pay_domains",
    "coupons",
    "customers",
    "invoiceitems",
    "invoices",
    "plans",
    "prices",
    "products",
    "radar_value_lists",
    "tax_ids",
    "terminal_configurations",
    "terminal_locations",
    "terminal_readers",
    "test_helpers_test_clocks",
    "v2_core_event_destinations",
    "webhook_endpoints",
];

/// Streams of what happened, which is never changed.
const RECORDS: [&str; 2] = [EVENTS, "v2_core_events"];

/// Streams whose objects get their ids from their owner, who may use one again.
const RECREATABLE: [&str; 3] = ["coupons", "plans", "products"];

/// Streams whose objects end instead: by cancellation.
const CANCELABLE: [&str; 1] = ["subscriptions"];

/// A change that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) stream: String,
    pub(crate) deed: Deed,
    pub(crate) id: String,
}

/// Changes an account at a moment.
pub(crate) struct Changer<'a> {
    pub(crate) world: &'a World,
    pub(crate) origin: &'a Origin,
    /// In milliseconds.
    pub(crate) now: i64,
    /// Nobody looks further back than this, in milliseconds.
    pub(crate) horizon: i64,
}

impl Changer<'_> {
    /// Whether the deed is possible with objects of the stream, and told where Stripe tells
    /// changes.
    pub(crate) fn can(stream: &Stream, deed: Deed) -> bool {
        let facts = stream.facts;
        let is_told = event_type(facts, deed, 0).is_some() || may_be_silent(facts);
        match deed {
            Deed::Create | Deed::Update | Deed::Toggle => {
                is_told && !RECORDS.contains(&facts.name.as_str())
            }
            Deed::Delete => is_told && DELETABLE.contains(&facts.name.as_str()),
            Deed::Recreate => is_told && RECREATABLE.contains(&facts.name.as_str()),
            Deed::Cancel => is_told && CANCELABLE.contains(&facts.name.as_str()),
            Deed::Rotate => !facts.volatile.is_empty(),
        }
    }

    /// Whether objects of the stream change at all.
    pub(crate) fn can_anything(stream: &Stream) -> bool {
        Self::can(stream, Deed::Create) || Self::can(stream, Deed::Update)
    }

    /// Creates an object with these properties, the others made up; none if the stream's objects
    /// cannot be made up.
    pub(crate) fn create(&self, stream: &Stream, properties: Option<&Value>) -> Option<Done> {
        let object = self.create_with(stream, |object| {
            if let Some(properties) = properties {
                merge(object, properties);
            }
        })?;
        let id = object.get("id").and_then(Value::as_str)?.to_owned();
        Some(Done { stream: stream.facts.name.clone(), deed: Deed::Create, id })
    }

    /// Creates an object that is edited before anyone sees it, and gives it.
    pub(crate) fn create_with(
        &self,
        stream: &Stream,
        edit: impl FnOnce(&mut Value),
    ) -> Option<Value> {
        let seconds = self.now.div_euclid(1_000);
        let (number, created) = {
            let view = stream.now();
            let newest = if view.len() == 0 { seconds } else { view.created(0) };
            (view.len(), seconds.max(newest))
        };
        let mut whole = stream.make(number, created)?;
        // Whatever was made up for it: nothing was changed after now.
        self.touch(&mut whole);
        edit(&mut whole);
        stream.change().add(number, created, self.version(&whole, false));
        self.tell(stream, Deed::Create, &whole, None);
        Some(whole)
    }

    /// Does something to an object that is there; none if it is not, or if there is nothing to
    /// do it to. `random` decides what an update edits.
    pub(crate) fn apply(&self, stream: &Stream, id: &str, deed: Deed, random: u64) -> Option<Done> {
        self.edit(stream, id, deed, |object| match deed {
            Deed::Create => false,
            Deed::Update => edit::edit(object, random),
            Deed::Toggle => edit::toggle(object),
            Deed::Delete | Deed::Recreate => true,
            Deed::Cancel => edit::cancel(object),
            Deed::Rotate => {
                for field in &stream.facts.volatile {
                    edit::rotate(object, field, random);
                }
                true
            }
        })
    }

    /// Sets properties of an object that is there.
    pub(crate) fn set(&self, stream: &Stream, id: &str, to: &Value) -> Option<Done> {
        self.edit(stream, id, Deed::Update, |object| {
            merge(object, to);
            true
        })
    }

    /// Puts a text in the place of an object that is there, whatever it is, and no event tells.
    pub(crate) fn replace(&self, stream: &Stream, id: &str, text: &str) -> Option<Done> {
        let view = stream.now();
        let position = view.position(id).filter(|position| view.is_there(*position))?;
        let number = view.number(position);
        drop(view);
        let shown = text.as_bytes().to_vec();
        let version = Version { at: self.now, deleted: false, shown, whole: None };
        stream.change().change(number, version, self.horizon);
        Some(Done { stream: stream.facts.name.clone(), deed: Deed::Update, id: id.to_owned() })
    }

    fn edit(
        &self,
        stream: &Stream,
        id: &str,
        deed: Deed,
        edit: impl FnOnce(&mut Value) -> bool,
    ) -> Option<Done> {
        let (number, before) = {
            let view = stream.now();
            let position = view.position(id).filter(|position| is_fit(&view, *position, deed))?;
            (view.number(position), view.whole(position))
        };
        let mut after = before.clone();
        if !edit(&mut after) {
            return None;
        }
        if deed != Deed::Rotate {
            self.touch(&mut after);
        }
        let version = self.version(&after, deed == Deed::Delete);
        stream.change().change(number, version, self.horizon);
        let is_update = matches!(deed, Deed::Update | Deed::Toggle);
        self.tell(stream, deed, &after, is_update.then(|| previous(&before, &after)));
        Some(Done { stream: stream.facts.name.clone(), deed, id: id.to_owned() })
    }

    /// Writes the time into an object that says when it was changed.
    fn touch(&self, object: &mut Value) {
        let seconds = self.now.div_euclid(1_000);
        match object.get("updated") {
            Some(Value::Number(_)) => set(object, "updated", json!(seconds)),
            Some(Value::String(_)) => set(object, "updated", json!(time_text(seconds))),
            _ => {}
        }
    }

    fn version(&self, whole: &Value, deleted: bool) -> Version {
        match cut(whole) {
            Some(shown) => {
                let whole = Some(whole.to_string().into_bytes());
                Version { at: self.now, deleted, shown: print(&shown), whole }
            }
            None => Version { at: self.now, deleted, shown: print(whole), whole: None },
        }
    }

    /// Adds the event that tells the change, if there is one.
    fn tell(&self, stream: &Stream, deed: Deed, whole: &Value, previous: Option<Value>) {
        let Some(events) = self.world.stream(EVENTS) else { return };
        let number = events.now().len();
        let random = u64::try_from(number).unwrap_or(0);
        let Some(kind) = event_type(stream.facts, deed, random) else { return };
        let id = events.id(number);
        let object = cut(whole).unwrap_or_else(|| whole.clone());
        let created = self.now.div_euclid(1_000);
        let event = event(&id, created, Told { kind, object, previous }, self.origin);
        let version = Version { at: self.now, deleted: false, shown: print(&event), whole: None };
        events.change().add(number, created, version);
    }
}

/// Whether something can be done to the object at a position: it is there, or gone.
fn is_fit(view: &View<'_>, position: usize, deed: Deed) -> bool {
    match deed == Deed::Recreate {
        true => view.is_deleted(position),
        false => view.is_there(position),
    }
}

/// Sets every property of `from` in an object.
pub(crate) fn merge(object: &mut Value, from: &Value) {
    for (name, value) in from.as_object().into_iter().flatten() {
        set(object, name, value.clone());
    }
}

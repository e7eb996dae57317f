//! One account, the platform's own or one that is connected to it: its objects, what of them is
//! seen when, and what changes them.

use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::account::{ACCOUNT_ID, account};
use crate::answer::ApiError;
use crate::change::{Changer, Deed, Done, EVENTS, KEPT_SECONDS, Origin, Script};
use crate::objects::{NOW, Population, Stream, View, World};
use crate::webhooks::{Manner, Outbox, Written};

/// How far behind an account's answers are, in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lags {
    pub(crate) lists: u32,
    pub(crate) events: u32,
}

/// An account.
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) world: World,
    /// The account as `GET /v1/account` answers it.
    pub(crate) account: Value,
    pub(crate) origin: Origin,
    lags: Lags,
    /// Held while something changes, so that changes come one after the other.
    script: Mutex<Script>,
    pub(crate) outbox: Outbox,
}

/// How an account behaves by itself.
#[derive(Debug)]
pub(crate) struct Habits {
    pub(crate) lags: Lags,
    pub(crate) script: Script,
    pub(crate) webhooks: Manner,
}

/// A change that is ordered by hand.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) stream: String,
    pub(crate) deed: Deed,
    /// The object; any that is there if none is named.
    pub(crate) id: Option<String>,
    /// The properties that a creation or an update sets.
    pub(crate) set: Option<Value>,
    /// The text that an update puts in the object's place.
    pub(crate) raw: Option<String>,
}

impl Tenant {
    /// The platform's account.
    pub(crate) fn platform(population: &Population, origin: Origin, habits: Habits) -> Self {
        Self {
            id: ACCOUNT_ID.to_owned(),
            world: World::create(population),
            account: account(population.account_created),
            origin,
            lags: habits.lags,
            script: Mutex::new(habits.script),
            outbox: Outbox::new(habits.webhooks),
        }
    }

    /// The account with that number among those that are connected to this one.
    pub(crate) fn connected(
        &self,
        number: usize,
        population: &Population,
        habits: Habits,
    ) -> Option<Self> {
        let accounts = self.world.stream("accounts")?;
        let id = accounts.id(number);
        let view = accounts.now();
        let account = view.whole(view.position(&id)?);
        let origin = Origin { account: Some(id.clone()), ..self.origin.clone() };
        Some(Self { id, account, ..Self::platform(population, origin, habits) })
    }

    /// A stream as its list shows it now, which may be some time behind.
    pub(crate) fn listed<'a>(&self, stream: &'a Stream, now: i64) -> View<'a> {
        let is_events = stream.facts.name == EVENTS;
        let lag = if is_events { self.lags.events } else { self.lags.lists };
        let moment = if lag == 0 { NOW } else { now - i64::from(lag) * 1_000 };
        Self::seen(stream, moment, now)
    }

    /// A stream as retrieves of its objects show it.
    pub(crate) fn current<'a>(&self, stream: &'a Stream, now: i64) -> View<'a> {
        let is_lagging = stream.facts.name == EVENTS;
        if is_lagging { self.listed(stream, now) } else { Self::seen(stream, NOW, now) }
    }

    fn seen(stream: &Stream, moment: i64, now: i64) -> View<'_> {
        let view = stream.at(moment);
        if stream.facts.name == EVENTS {
            return view.kept_since(now.div_euclid(1_000) - KEPT_SECONDS);
        }
        view
    }

    /// How many events there have been.
    pub(crate) fn event_count(&self) -> usize {
        self.world.stream(EVENTS).map_or(0, |events| events.now().len())
    }

    /// The events from that number on, oldest first.
    pub(crate) fn events_since(&self, number: usize) -> Vec<Value> {
        let Some(events) = self.world.stream(EVENTS) else { return Vec::new() };
        let view = events.now();
        (number..view.len()).map(|number| view.whole(view.len() - number - 1)).collect()
    }

    /// Takes that many steps of the script, all of them at this moment, in milliseconds.
    pub(crate) fn take_steps(&self, steps: u32, now: i64) -> Vec<Done> {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        (0..steps).flat_map(|_| script.step(&self.changer(now))).collect()
    }

    /// Does what is ordered; none if it cannot be done.
    pub(crate) fn carry_out(&self, order: &Order, now: i64) -> Option<Done> {
        let _one_at_a_time = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = self.world.stream(&order.stream)?;
        let changer = self.changer(now);
        let id = || match &order.id {
            Some(id) => Some(id.clone()),
            None => {
                let view = stream.now();
                let position = (0..view.len()).find(|position| view.is_there(*position))?;
                Some(view.id(position))
            }
        };
        match (order.deed, &order.set, &order.raw) {
            (Deed::Create, set, _) => changer.create(stream, set.as_ref()),
            (Deed::Update, _, Some(text)) => changer.replace(stream, &id()?, text),
            (Deed::Update, Some(set), None) => changer.set(stream, &id()?, set),
            (deed, ..) => changer.apply(stream, &id()?, deed, u64::try_from(now).unwrap_or(0)),
        }
    }

    /// Sets up, changes or deletes a webhook endpoint.
    pub(crate) fn write_endpoint(
        &self,
        stream: &Stream,
        written: Written<'_>,
        now: i64,
    ) -> Result<Value, ApiError> {
        let _one_at_a_time = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        let written = Written { events: self.event_count(), ..written };
        self.outbox.write(&self.changer(now), stream, written)
    }

    fn changer(&self, now: i64) -> Changer<'_> {
        let horizon = now - i64::from(self.lags.lists.max(self.lags.events)) * 1_000;
        Changer { world: &self.world, origin: &self.origin, now, horizon }
    }
}

/// What happened, as it is told to whoever ordered it.
pub(crate) fn told(done: &[Done]) -> Value {
    let change =
        |done: &Done| json!({"stream": done.stream, "do": done.deed.as_str(), "id": done.id});
    json!({"changes": done.iter().map(change).collect::<Vec<_>>()})
}

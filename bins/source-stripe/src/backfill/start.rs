//! What a run begins with: the plan, and the place from which changes are read later. Pure.

use std::collections::{BTreeMap, BTreeSet};

use connector::ReadRequest;
use protocol::{ConfiguredStream, SourceState, Timestamp};
use serde::Deserialize;
use stripe_api::{Catalogue, ChildStream, KeyedStream, StreamFacts};

use super::again::Terms;
use super::manner::Manner;
use super::plan::Plan;
use super::stream::{Keyed, StreamPlan};
use crate::change::{GlobalState, untold};
use crate::ranges::{self, Bounds, StreamState};

/// What the owner's configuration says of a backfill.
#[derive(Debug, Clone)]
pub(crate) struct Wishes {
    /// What is known of the version of Stripe's API that is read.
    pub(crate) catalogue: &'static Catalogue,
    /// Most records to read of each stream.
    pub(crate) backfill_limit: Option<u64>,
    /// Further parameters by stream.
    pub(crate) list_params: BTreeMap<String, BTreeMap<String, String>>,
    /// When the account was made, if that is known.
    pub(crate) account_created: Option<Timestamp>,
    /// After how many seconds a list is read again of which nothing else tells what is new.
    pub(crate) relist_every: i64,
    /// The version of Stripe's API.
    pub(crate) api_version: String,
    /// Whether lists inside objects are made whole.
    pub(crate) expand_lists: bool,
    /// The streams of lists under parents that are read.
    pub(crate) child_streams: BTreeSet<String>,
}

impl Wishes {
    /// Those of an owner who says nothing.
    pub(crate) fn new(catalogue: &'static Catalogue) -> Self {
        Self {
            catalogue,
            backfill_limit: None,
            list_params: BTreeMap::new(),
            account_created: None,
            relist_every: 86_400,
            api_version: catalogue.api_version.clone(),
            expand_lists: true,
            child_streams: BTreeSet::new(),
        }
    }
}

/// How a run begins.
#[derive(Debug)]
pub(crate) struct Start {
    /// The streams to read.
    pub(crate) plan: Plan,
    /// Names in the catalog that are no streams.
    pub(crate) unknown: Vec<String>,
    /// Words about stored states that could not be used.
    pub(crate) warnings: Vec<String>,
    /// From where on changes have to be read.
    pub(crate) global: GlobalState,
    /// Whether something of that was not known before: then it is emitted first.
    pub(crate) is_first: bool,
    /// Whether a stream that is left out is in the middle of its list.
    pub(crate) is_unread_elsewhere: bool,
    /// What is known of the version of Stripe's API that is read.
    pub(crate) catalogue: &'static Catalogue,
}

/// What is asked of one stream at a time of Stripe's clock.
#[derive(Clone, Copy)]
struct Asked<'a> {
    request: &'a ReadRequest,
    configured: &'a ConfiguredStream,
    now: Timestamp,
}

impl Start {
    /// Plans a run at `now` of Stripe's clock.
    pub(crate) fn new(request: &ReadRequest, wishes: &Wishes, now: Timestamp) -> Self {
        let mut start = Self {
            plan: Plan { streams: Vec::new() },
            unknown: Vec::new(),
            warnings: changes(request, wishes),
            global: GlobalState::default(),
            is_first: false,
            is_unread_elsewhere: false,
            catalogue: wishes.catalogue,
        };
        for configured in &request.catalog.streams {
            let name = &configured.stream.name;
            let child = wishes.catalogue.child(name);
            if child.is_some_and(|child| is_selected(request, &child.parent)) {
                continue;
            }
            let keyed = wishes.catalogue.keyed(name);
            if let Some(keyed) = keyed.filter(|_| wishes.child_streams.contains(name)) {
                start.under_parents(Asked { request, configured, now }, keyed, wishes);
                continue;
            }
            let Some(facts) = wishes.catalogue.list(name) else {
                start.unknown.push(name.clone());
                continue;
            };
            let children: Vec<&ChildStream> = wishes
                .catalogue
                .children
                .iter()
                .filter(|child| child.parent == *name && is_selected(request, &child.facts.name))
                .collect();
            let mut earlier = vec![start.earlier(&request.state, name)];
            for child in &children {
                earlier.push(start.earlier(&request.state, &child.facts.name));
            }
            let terms = Terms::new(configured, (facts.freshness, false), wishes);
            let set = terms.left(facts, &earlier, Bounds::of(configured, now));
            let limit = configured.backfill_limit.or(wishes.backfill_limit);
            let params = params(facts, wishes.list_params.get(name));
            let plan = StreamPlan::new(name.clone(), facts, set, params, limit);
            let mut plan = plan.on_terms(terms);
            plan.children = children;
            plan.is_known = earlier.iter().any(Option::is_some);
            start.plan.streams.push(plan);
        }
        start.begin_changes(request, wishes, now);
        start
    }

    /// Plans a stream that is read parent by parent, if its parents are known.
    fn under_parents(&mut self, asked: Asked<'_>, keyed: &'static KeyedStream, wishes: &Wishes) {
        let Asked { request, configured, now } = asked;
        let name = &configured.stream.name;
        let Some(facts) = wishes.catalogue.list(&keyed.parent) else {
            self.unknown.push(name.clone());
            return;
        };
        let earlier = self.earlier(&request.state, name);
        let is_known = earlier.is_some();
        let terms = Terms::new(configured, (keyed.facts.freshness, true), wishes);
        let set = terms.left(facts, &[earlier], Bounds::of(configured, now));
        let limit = configured.backfill_limit.or(wishes.backfill_limit);
        let own = params(&keyed.facts, wishes.list_params.get(name));
        let plan = StreamPlan::new(name.clone(), facts, set, params(facts, None), limit);
        let keyed = Keyed { stream: keyed, params: own, is_known };
        let mut plan = plan.under_parents(keyed).on_terms(terms);
        plan.is_known = is_known;
        self.plan.streams.push(plan);
    }

    fn begin_changes(&mut self, request: &ReadRequest, wishes: &Wishes, now: Timestamp) {
        let kept = request.state.global.as_ref();
        let mut kept = kept.and_then(|kept| serde_json::from_str::<GlobalState>(kept.get()).ok());
        let manner = Manner::of(request, wishes);
        // The copy is filled anew, and may hold rows from before.
        let is_anew = request.state.streams.is_empty();
        let lost = kept.take_if(|kept| is_anew && kept.is_overdue(now.seconds_floor()));
        self.is_first = kept.is_none();
        self.global =
            kept.unwrap_or_else(|| GlobalState::at(place(&request.state, now), manner.clone()));
        if is_anew {
            self.global.filled = Some(manner);
        }
        if let Some(lost) = lost {
            self.warnings.push(unseen(&lost, now));
            self.global.begun = lost.begun;
        }
        let told = |name: &str| {
            let facts = wishes.catalogue.facts(name);
            facts.is_some_and(|facts| !facts.event_types.is_empty())
        };
        let stored = request.state.streams.iter();
        let stored = stored.filter_map(|(name, kept)| Some((name, ranges::parse(kept).ok()?)));
        let left_out: Vec<(&String, StreamState)> =
            stored.filter(|(name, _)| !is_selected(request, name)).collect();
        self.is_unread_elsewhere = left_out.iter().any(|(_, state)| !state.remaining.is_empty());
        let begun = self.global.begun.clone();
        for stream in &mut self.plan.streams {
            stream.is_known |= begun.contains(&stream.name);
            if told(&stream.name) && self.global.begun.insert(stream.name.clone()) {
                self.is_first = true;
            }
        }
        let absent = begun.iter().filter(|name| !is_selected(request, name));
        let left_out = left_out.iter().map(|(name, _)| *name).chain(absent);
        let fresh = self.plan.streams.iter().filter(|stream| !stream.is_known);
        self.global.begin(
            left_out.map(String::as_str).filter(|name| told(name)),
            fresh.map(|stream| stream.name.as_str()).filter(|name| told(name)),
            now.seconds_floor(),
        );
    }

    fn earlier(&mut self, state: &SourceState, name: &str) -> Option<StreamState> {
        match ranges::parse(state.streams.get(name)?) {
            Ok(state) => Some(state),
            Err(why) => {
                self.warnings.push(format!(
                    "`{name}` starts afresh: its stored state is not one of this source ({why})"
                ));
                None
            }
        }
    }
}

fn is_selected(request: &ReadRequest, name: &str) -> bool {
    request.catalog.streams.iter().any(|configured| configured.stream.name == name)
}

/// The moment from which changes have to be read: now, or where the oldest stored stream ends.
fn place(state: &SourceState, now: Timestamp) -> i64 {
    let stored = state.streams.values().filter_map(|stored| ranges::parse(stored).ok());
    let oldest = stored.map(|state| state.accounted_range.lt).min();
    oldest.map_or(now, |oldest| oldest.min(now)).seconds_floor()
}

/// Words about what happened in a time of which Stripe has forgotten the events, to a copy that is
/// filled anew.
fn unseen(lost: &GlobalState, now: Timestamp) -> String {
    let from = Timestamp::from_seconds(lost.events_cursor);
    let untold = untold(from, now);
    format!("{untold}; objects that were deleted in that time and are in the copy stay there")
}

/// What has changed since the copy was filled, as far as that is known.
fn changes(request: &ReadRequest, wishes: &Wishes) -> Vec<String> {
    #[derive(Deserialize)]
    struct Kept {
        filled: Manner,
    }
    // What is filled anew is no different from itself.
    let kept = request.state.global.as_ref().filter(|_| !request.state.streams.is_empty());
    let kept = kept.and_then(|global| serde_json::from_str::<Kept>(global.get()).ok());
    let is_filled = |name: &str| request.state.streams.contains_key(name);
    kept.map(|kept| Manner::of(request, wishes).differences(&kept.filled, is_filled))
        .unwrap_or_default()
}

/// Parameters of every request: those that a whole list needs, then the owner's.
fn params(facts: &StreamFacts, wished: Option<&BTreeMap<String, String>>) -> Vec<(String, String)> {
    let wished = wished.cloned().unwrap_or_default();
    let fixed = facts.fixed_params.iter().filter(|(name, _)| !wished.contains_key(name)).cloned();
    fixed.chain(wished.clone()).collect()
}

#[cfg(test)]
#[path = "start_tests.rs"]
mod tests;

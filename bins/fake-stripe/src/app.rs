//! From a request to its answer.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use crate::account::ACCOUNT_ID;
use crate::answer::{Answer, ApiError};
use crate::auth;
use crate::change::{Done, Origin, Script};
use crate::clock::Clock;
use crate::control;
use crate::faults::{Faults, Trouble, Victim};
use crate::limits::Limits;
use crate::mix::mix;
use crate::objects::{Population, World, letters, set};
use crate::oracle;
use crate::params;
use crate::permissions::{self, WEBHOOK_WRITE};
use crate::read::Reader;
use crate::route::{Ours, Route};
use crate::stats::Stats;
use crate::stripecli::{Sessions, opened};
use crate::tenant::{Habits, Lags, Tenant};
use crate::webhooks::{Delivery, ENDPOINTS, Manner, Message, Written};

/// How the account behaves.
pub(crate) struct Behaviour {
    /// The key that is right; none if every key is.
    pub(crate) api_key: Option<String>,
    /// Requests a second for all, and for each list.
    pub(crate) rate: Option<NonZeroU32>,
    pub(crate) endpoint_rate: Option<NonZeroU32>,
    /// Streams that the key may not read, and permissions that it lacks.
    pub(crate) restricted: BTreeSet<String>,
    /// Streams of products that the account has not set up.
    pub(crate) not_enabled: BTreeSet<String>,
    /// Streams whose lists are out of order.
    pub(crate) disordered: BTreeSet<String>,
    /// What goes wrong.
    pub(crate) faults: Faults,
    pub(crate) clock: Clock,
    pub(crate) lags: Lags,
    /// The version that answers and events are in unless a request names one.
    pub(crate) api_version: String,
    pub(crate) mutations: Mutations,
    /// How webhooks come.
    pub(crate) webhooks: Manner,
}

/// What the seeded script changes.
#[derive(Debug, Clone)]
pub(crate) struct Mutations {
    pub(crate) seed: u64,
    /// The streams; all if there are none.
    pub(crate) streams: Vec<String>,
}

/// What a request says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) authorization: Option<&'a str>,
    /// `Stripe-Version`.
    pub(crate) version: Option<&'a str>,
    /// `Stripe-Account`.
    pub(crate) account: Option<&'a str>,
    /// `Host`: where the fake was asked.
    pub(crate) host: Option<&'a str>,
    /// `Idempotency-Key`.
    pub(crate) idempotency_key: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

/// The accounts that answer.
pub(crate) struct App {
    seed: u64,
    platform: Tenant,
    connected: BTreeMap<String, Tenant>,
    behaviour: Behaviour,
    limits: Limits,
    stats: Stats,
    sessions: Sessions,
    requests: AtomicU64,
}

impl App {
    pub(crate) fn new(population: &Population, behaviour: Behaviour) -> Self {
        let origin = Origin {
            api_version: behaviour.api_version.clone(),
            livemode: population.livemode,
            account: None,
        };
        let Behaviour { mutations, lags, webhooks, .. } = &behaviour;
        let habits = |number: u64| Habits {
            lags: *lags,
            script: Script::new(mutations.seed.wrapping_add(number), mutations.streams.clone()),
            webhooks: *webhooks,
        };
        let platform = Tenant::platform(population, origin, habits(0));
        let numbers = (0_u64..).zip(0_usize..).take(population.connected);
        let connected = numbers.filter_map(|(at, number)| {
            let own = Population::connected(population, at + 1);
            platform.connected(number, &own, habits(at + 1))
        });
        let connected = connected.map(|tenant| (tenant.id.clone(), tenant)).collect();
        let limits = limits(&behaviour, &platform.world);
        Self {
            seed: population.seed,
            platform,
            connected,
            behaviour,
            limits,
            stats: Stats::default(),
            sessions: Sessions::default(),
            requests: AtomicU64::new(0),
        }
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The platform's own objects.
    pub(crate) fn world(&self) -> &World {
        &self.platform.world
    }

    /// Whether a path is about the fake: not counted, not slowed, not refused.
    pub(crate) fn is_ours(&self, path: &str) -> bool {
        Route::of(path, self.world()).is_ours()
    }

    /// What a request for a path is counted under: the retrieves of a stream are one endpoint,
    /// and so are the lists under all parents.
    pub(crate) fn endpoint(&self, path: &str) -> String {
        Route::of(path, self.world()).endpoint().unwrap_or_else(|| path.to_owned())
    }

    /// Takes steps of the script in every account, and tells what was done in the platform's.
    pub(crate) fn mutate(&self, steps: u32) -> Vec<Done> {
        let now = self.behaviour.clock.now();
        for tenant in self.connected.values() {
            tenant.take_steps(steps, now);
        }
        self.platform.take_steps(steps, now)
    }

    /// The webhooks that are due, each with its account.
    pub(crate) fn due_webhooks(&self) -> Vec<(String, Delivery)> {
        let now = self.behaviour.clock.now();
        let due = |tenant: &Tenant| tenant.outbox.due(&tenant.world, now);
        let tenants = iter::once(&self.platform).chain(self.connected.values());
        let due = tenants.flat_map(|tenant| {
            due(tenant).into_iter().map(|delivery| (tenant.id.clone(), delivery))
        });
        due.collect()
    }

    /// The sessions of the Stripe CLI.
    pub(crate) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// The time, in unix seconds.
    pub(crate) fn seconds(&self) -> i64 {
        self.behaviour.clock.seconds()
    }

    /// How many events an account has had.
    pub(crate) fn event_count(&self, account: &str) -> usize {
        self.tenant(Some(account)).map_or(0, Tenant::event_count)
    }

    /// An account's events from that number on, oldest first.
    pub(crate) fn events_since(&self, account: &str, number: usize) -> Vec<Value> {
        self.tenant(Some(account)).map_or(Vec::new(), |tenant| tenant.events_since(number))
    }

    /// The request for a webhook; none if nobody wants it any more.
    pub(crate) fn webhook(&self, account: &str, delivery: &Delivery) -> Option<Message> {
        let tenant = self.tenant(Some(account)).ok()?;
        tenant.outbox.message(&tenant.world, delivery, self.behaviour.clock.seconds())
    }

    /// Settles a webhook that was sent.
    pub(crate) fn settle_webhook(&self, account: &str, delivery: Delivery, accepted: bool) {
        if let Ok(tenant) = self.tenant(Some(account)) {
            tenant.outbox.settle(delivery, accepted, self.behaviour.clock.now());
        }
    }

    /// Answers a request.
    pub(crate) fn answer(&self, asked: Asked<'_>) -> Answer {
        let mut answer = self.serve(asked).unwrap_or_else(Answer::from);
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let mut request_id = b"req_".to_vec();
        letters(mix(&[self.seed, number]), 14, &mut request_id);
        let request_id = String::from_utf8_lossy(&request_id).into_owned();
        let version = asked.version.unwrap_or(&self.behaviour.api_version);
        answer.headers.push(("request-id", request_id));
        answer.headers.push(("stripe-version", version.to_owned()));
        let millis = u64::try_from(self.behaviour.clock.now()).unwrap_or(0);
        let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(millis));
        answer.headers.push(("date", date));
        answer
    }

    fn serve(&self, asked: Asked<'_>) -> Result<Answer, ApiError> {
        let route = Route::of(asked.path, self.world());
        if let Route::Ours(ours) = &route {
            return self.serve_ours(asked, ours);
        }
        let trouble = self.admit(asked, &route)?;
        let tenant = self.tenant(asked.account)?;
        let is_repeating = trouble.is_some_and(Trouble::repeats_an_object);
        let answer = self.serve_stripes(asked, tenant, is_repeating);
        let Some(trouble) = trouble else { return answer };
        let key = self.masked_key();
        let (stream, object) = route.subject().unwrap_or_default();
        let victim = Victim { stream, object, path: asked.path, key: &key, account: &tenant.id };
        self.stats.struck(trouble.kind.name());
        Ok(trouble.spoil(answer.unwrap_or_else(Answer::from), victim))
    }

    fn serve_ours(&self, asked: Asked<'_>, ours: &Ours<'_>) -> Result<Answer, ApiError> {
        let named = params::pairs(asked.query).into_iter().find(|(name, _)| name == "account");
        let named = named.as_ref().map(|(_, id)| id.as_str());
        let tenant = self.tenant(named.or(asked.account))?;
        let clock = &self.behaviour.clock;
        match (asked.method, ours) {
            ("GET", Ours::Stats) => Ok(Answer::json(&self.stats.to_json())),
            ("GET", Ours::OracleCounts) => Ok(oracle::counts(&tenant.world, asked.query)),
            ("GET", Ours::Oracle(stream)) => {
                let own = tenant.world.stream(&stream.facts.name).unwrap_or(stream);
                Ok(oracle::objects(own, asked.query))
            }
            ("GET", Ours::ChildOracle(name)) => Ok(oracle::child_objects(&tenant.world, name)),
            ("GET", Ours::Webhooks) => {
                let mut counts = tenant.outbox.to_json(&tenant.world);
                set(&mut counts, "acknowledged_by_socket", self.sessions.acknowledged().into());
                set(&mut counts, "connections_of_sockets", self.sessions.connections().into());
                Ok(Answer::json(&counts))
            }
            ("POST", Ours::Mutate) => control::mutate(tenant, clock, asked.body),
            ("POST", Ours::Clock) => control::advance(clock, asked.body),
            _ => Err(ApiError::unknown_url(asked.method, asked.path)),
        }
    }

    /// What the real Stripe would answer from an account.
    fn serve_stripes(
        &self,
        asked: Asked<'_>,
        tenant: &Tenant,
        is_repeating: bool,
    ) -> Result<Answer, ApiError> {
        let Asked { method, path, query, .. } = asked;
        let unknown = || ApiError::unknown_url(method, path);
        if method != "GET" {
            return self.write(asked, tenant);
        }
        let reader = Reader { tenant, now: self.behaviour.clock.now(), is_repeating };
        match Route::of(path, &tenant.world) {
            Route::Account => Ok(Answer::json(&tenant.account)),
            Route::List(stream) => {
                let is_disordered = self.behaviour.disordered.contains(&stream.facts.name);
                reader.page(stream, query, is_disordered)
            }
            Route::One(stream, id) => reader.object(stream, id),
            Route::Children(list, id) => reader.children(list, id, path, query),
            Route::Ours(_) | Route::CliSession | Route::Unknown => Err(unknown()),
        }
    }

    /// Webhook endpoints and sessions of the Stripe CLI are all that can be written.
    fn write(&self, asked: Asked<'_>, tenant: &Tenant) -> Result<Answer, ApiError> {
        let Asked { method, path, .. } = asked;
        let route = Route::of(path, &tenant.world);
        if method == "POST" && matches!(route, Route::CliSession) {
            let session = self.sessions.open(&tenant.id);
            return Ok(Answer::json(&opened(&session, asked.host.unwrap_or_default())));
        }
        let endpoints = route.object().filter(|(stream, _)| stream.facts.name == ENDPOINTS);
        let (stream, id) = endpoints.ok_or_else(|| ApiError::unknown_url(method, path))?;
        if self.behaviour.restricted.contains(WEBHOOK_WRITE) {
            let key = self.masked_key();
            return Err(permissions::may_not(&key, &tenant.id, WEBHOOK_WRITE));
        }
        let form = String::from_utf8_lossy(asked.body);
        let idempotency_key = asked.idempotency_key;
        let written = Written { id, method, form: &form, idempotency_key, events: 0 };
        let now = self.behaviour.clock.now();
        Ok(Answer::json(&tenant.write_endpoint(stream, written, now)?))
    }

    /// What stands before every answer: the key, the rate, failures on order, permissions. Tells
    /// what is to go wrong with the answer.
    fn admit(&self, asked: Asked<'_>, route: &Route<'_>) -> Result<Option<Trouble>, ApiError> {
        auth::check(asked.authorization, self.behaviour.api_key.as_deref())?;
        self.limits.take(route.list_path().unwrap_or(asked.path))?;
        self.behaviour.faults.strike(asked.path)?;
        let trouble = self.behaviour.faults.trouble(asked.path);
        let Some((stream, object)) = route.subject() else { return Ok(trouble) };
        if permissions::takes_in(&self.behaviour.restricted, stream, object) {
            let account = asked.account.unwrap_or(ACCOUNT_ID);
            return Err(permissions::not_permitted(&self.masked_key(), account, object));
        }
        if self.behaviour.not_enabled.contains(stream) {
            return Err(permissions::not_enabled(stream, asked.path));
        }
        Ok(trouble)
    }

    /// The account that a request is for.
    fn tenant(&self, id: Option<&str>) -> Result<&Tenant, ApiError> {
        let Some(id) = id.filter(|id| *id != self.platform.id) else { return Ok(&self.platform) };
        self.connected.get(id).ok_or_else(|| permissions::no_access(&self.masked_key(), id))
    }

    fn masked_key(&self) -> String {
        self.behaviour.api_key.as_deref().map_or("rk_test_***".to_owned(), auth::masked)
    }
}

fn limits(behaviour: &Behaviour, world: &World) -> Limits {
    let paths = world.all().map(|stream| stream.facts.path.as_str());
    let under = world.child_lists().iter().map(|list| list.facts.path.as_str());
    Limits::new(behaviour.rate, behaviour.endpoint_rate, paths.chain(under))
}

//! From a request to its answer.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use crate::account::ACCOUNT_ID;
use crate::answer::{Answer, ApiError};
use crate::auth;
use crate::change::{Done, Origin, Script};
use crate::clock::Clock;
use crate::control;
use crate::faults::{Faults, Trouble, Victim};
use crate::limits::Limits;
use crate::mix::mix;
use crate::objects::{Population, World, letters};
use crate::oracle;
use crate::params;
use crate::permissions;
use crate::read::Reader;
use crate::route::Route;
use crate::stats::Stats;
use crate::tenant::{Lags, Tenant};

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
    requests: AtomicU64,
}

impl App {
    pub(crate) fn new(population: &Population, behaviour: Behaviour) -> Self {
        let origin = Origin {
            api_version: behaviour.api_version.clone(),
            livemode: population.livemode,
            account: None,
        };
        let mutations = &behaviour.mutations;
        let script = |seed| Script::new(seed, mutations.streams.clone());
        let platform = Tenant::platform(population, origin, behaviour.lags, script(mutations.seed));
        let numbers = (0_u64..).zip(0_usize..).take(population.connected);
        let connected = numbers.filter_map(|(at, number)| {
            let own = Population::connected(population, at + 1);
            let script = script(mix(&[mutations.seed, at + 1]));
            platform.connected(number, &own, script)
        });
        let connected = connected.map(|tenant| (tenant.id.clone(), tenant)).collect();
        let limits = limits(&behaviour, &platform.world);
        let (stats, requests) = (Stats::default(), AtomicU64::new(0));
        Self { seed: population.seed, platform, connected, behaviour, limits, stats, requests }
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
        if route.is_ours() {
            return self.serve_ours(asked, &route);
        }
        let trouble = self.admit(asked, &route)?;
        let tenant = self.tenant(asked.account)?;
        let is_repeating = trouble.is_some_and(Trouble::repeats_an_object);
        let answer = self.serve_stripes(asked, tenant, is_repeating);
        let Some(trouble) = trouble else { return answer };
        let key = self.masked_key();
        let (stream, object) = route.subject().unwrap_or_default();
        let victim = Victim { stream, object, path: asked.path, key: &key, account: &tenant.id };
        Ok(trouble.spoil(answer.unwrap_or_else(Answer::from), victim))
    }

    fn serve_ours(&self, asked: Asked<'_>, route: &Route<'_>) -> Result<Answer, ApiError> {
        let named = params::pairs(asked.query).into_iter().find(|(name, _)| name == "account");
        let named = named.as_ref().map(|(_, id)| id.as_str());
        let tenant = self.tenant(named.or(asked.account))?;
        let clock = &self.behaviour.clock;
        match (asked.method, route) {
            ("GET", Route::Stats) => Ok(Answer::json(&self.stats.to_json())),
            ("GET", Route::OracleCounts) => Ok(oracle::counts(&tenant.world, asked.query)),
            ("GET", Route::Oracle(stream)) => {
                let own = tenant.world.stream(&stream.facts.name).unwrap_or(stream);
                Ok(oracle::objects(own, asked.query))
            }
            ("GET", Route::ChildOracle(name)) => Ok(oracle::child_objects(&tenant.world, name)),
            ("POST", Route::Mutate) => control::mutate(tenant, clock, asked.body),
            ("POST", Route::Clock) => control::advance(clock, asked.body),
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
            return Err(unknown());
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
            Route::Stats
            | Route::OracleCounts
            | Route::Oracle(_)
            | Route::ChildOracle(_)
            | Route::Mutate
            | Route::Clock
            | Route::Unknown => Err(unknown()),
        }
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

//! From a request to its answer.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use stripe_api::Catalogue;

use crate::account::{ACCOUNT_ID, account};
use crate::answer::{Answer, ApiError};
use crate::auth;
use crate::faults::{FaultRule, Faults};
use crate::limits::Limits;
use crate::list;
use crate::mix::mix;
use crate::objects::{Population, Stream, World, letters};
use crate::params;
use crate::render;
use crate::route::Route;
use crate::stats::Stats;

/// How the account behaves.
#[derive(Debug, Clone)]
pub(crate) struct Behaviour {
    /// The key that is right; none if every key is.
    pub(crate) api_key: Option<String>,
    /// Requests a second for all, and for each list.
    pub(crate) rate: Option<NonZeroU32>,
    pub(crate) endpoint_rate: Option<NonZeroU32>,
    /// Streams that the key may not read.
    pub(crate) restricted: BTreeSet<String>,
    /// Streams of products that the account has not set up.
    pub(crate) not_enabled: BTreeSet<String>,
    /// Failures on order.
    pub(crate) faults: Vec<FaultRule>,
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
}

/// An account that answers.
pub(crate) struct App {
    population: Population,
    world: World,
    behaviour: Behaviour,
    limits: Limits,
    faults: Faults,
    stats: Stats,
    requests: AtomicU64,
}

impl App {
    pub(crate) fn new(population: Population, behaviour: Behaviour) -> Self {
        let world = World::create(&population);
        let paths = world.streams().iter().map(|stream| stream.facts.path.as_str());
        let limits = Limits::new(behaviour.rate, behaviour.endpoint_rate, paths);
        let faults = Faults::new(behaviour.faults.clone());
        let requests = AtomicU64::new(0);
        Self { population, world, behaviour, limits, faults, stats: Stats::default(), requests }
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Whether a path is about the fake: not counted, not slowed, not refused.
    pub(crate) fn is_ours(&self, path: &str) -> bool {
        Route::of(path, &self.world).is_ours()
    }

    /// What a request for a path is counted under: the retrieves of a stream are one endpoint.
    pub(crate) fn endpoint(&self, path: &str) -> String {
        match Route::of(path, &self.world) {
            Route::One(stream, _) => format!("{}/{{id}}", stream.facts.path),
            Route::Account
            | Route::List(_)
            | Route::Stats
            | Route::OracleCounts
            | Route::Oracle(_)
            | Route::Unknown => path.to_owned(),
        }
    }

    /// Answers a request.
    pub(crate) fn answer(&self, asked: Asked<'_>) -> Answer {
        let mut answer = self.serve(asked).unwrap_or_else(Answer::from);
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let mut request_id = b"req_".to_vec();
        letters(mix(&[self.population.seed, number]), 14, &mut request_id);
        let request_id = String::from_utf8_lossy(&request_id).into_owned();
        let version = asked.version.unwrap_or(&Catalogue::embedded().api_version);
        answer.headers.push(("request-id", request_id));
        answer.headers.push(("stripe-version", version.to_owned()));
        answer
    }

    fn serve(&self, asked: Asked<'_>) -> Result<Answer, ApiError> {
        let route = Route::of(asked.path, &self.world);
        if !route.is_ours() {
            self.admit(asked, &route)?;
        }
        if asked.method != "GET" {
            return Err(ApiError::unknown_url(asked.method, asked.path));
        }
        match route {
            Route::Account => Ok(Answer::json(&account(self.population.span))),
            Route::List(stream) => {
                let query = params::read(stream.facts, asked.query)?;
                Ok(Answer::ok(render::page(stream, &list::page(stream, &query)?)))
            }
            Route::One(stream, id) => one(stream, id),
            Route::Stats => Ok(Answer::json(&self.stats.to_json())),
            Route::OracleCounts => Ok(self.oracle_counts()),
            Route::Oracle(stream) => Ok(Answer::ok(oracle(stream))),
            Route::Unknown => Err(ApiError::unknown_url(asked.method, asked.path)),
        }
    }

    /// What stands before every answer: the key, the rate, failures on order, permissions.
    fn admit(&self, asked: Asked<'_>, route: &Route<'_>) -> Result<(), ApiError> {
        auth::check(asked.authorization, self.behaviour.api_key.as_deref())?;
        let endpoint = route.stream().map_or(asked.path, |stream| &stream.facts.path);
        self.limits.take(endpoint)?;
        self.faults.strike(asked.path)?;
        let Some(stream) = route.stream() else { return Ok(()) };
        if self.behaviour.restricted.contains(&stream.facts.name) {
            return Err(self.not_permitted(stream));
        }
        if self.behaviour.not_enabled.contains(&stream.facts.name) {
            return Err(not_enabled(stream, asked));
        }
        Ok(())
    }

    fn not_permitted(&self, stream: &Stream) -> ApiError {
        let key = self.behaviour.api_key.as_deref().map_or("rk_test_***".to_owned(), auth::masked);
        let permission = stream.facts.object.replace('.', "_");
        let message = format!(
            "The provided key '{key}' does not have the required permissions for this endpoint on account '{ACCOUNT_ID}'. Having the 'rak_{permission}_read' permission would allow this request to continue."
        );
        ApiError::invalid(403, message).code("more_permissions_required")
    }

    fn oracle_counts(&self) -> Answer {
        let count = |stream: &Stream| (stream.facts.name.clone(), stream.store.created().len());
        let counts: BTreeMap<String, usize> = self.world.streams().iter().map(count).collect();
        Answer::json(&json!(counts))
    }
}

fn one(stream: &Stream, id: &str) -> Result<Answer, ApiError> {
    let missing = || ApiError::missing(404, &stream.facts.object, id, "id");
    let position = stream.store.position(id).ok_or_else(missing)?;
    Ok(Answer::ok(render::alone(stream.store.object(position))))
}

/// Every object that a whole copy of the stream holds, one a line.
fn oracle(stream: &Stream) -> Vec<u8> {
    let mut lines = Vec::new();
    for position in 0..stream.store.created().len() {
        render::minified(stream.store.object(position), &mut lines);
        lines.push(b'\n');
    }
    lines
}

/// The words differ from product to product.
fn not_enabled(stream: &Stream, asked: Asked<'_>) -> ApiError {
    let product = stream.facts.name.split('_').next().unwrap_or_default();
    let message = match product {
        "issuing" => "Your account is not set up to use Issuing. Please visit https://dashboard.stripe.com/issuing/overview to get started.".to_owned(),
        "identity" => "Your account is not set up to use Identity. Please have an account admin visit https://dashboard.stripe.com/identity/application to get started.".to_owned(),
        "treasury" => format!("Unrecognized request URL (GET: {}). Have you onboarded to Treasury? See https://stripe.com/docs/treasury", asked.path),
        _ => "This API surface is not enabled on your account.".to_owned(),
    };
    ApiError::invalid(400, message)
}

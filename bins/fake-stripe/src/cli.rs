//! The command line.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use flate2::read::GzDecoder;
use stripe_api::{Catalogue, CompileError};
use thiserror::Error;

use crate::app::{Behaviour, Mutations};
use crate::clock::Clock;
use crate::faults::{Chance, FaultRule, Faults, Kind, Share, TroubleRule};
use crate::objects::{Distribution, Facts, Population, Span};
use crate::tenant::Lags;
use crate::webhooks::Manner;

const SECONDS_A_DAY: i64 = 86_400;

/// How every gzipped file begins.
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

/// A local Stripe with an account that is made up from a seed.
///
/// Prints {"listening":"http://127.0.0.1:PORT"} once it answers, and runs until SIGTERM or
/// SIGINT. /__stats counts requests; /__oracle and /__oracle/STREAM say what a whole copy holds.
#[derive(Debug, Parser)]
#[command(
    name = "fake-stripe",
    version,
    after_help = "Example:\n  fake-stripe --port 12111 --objects customers=1000,charges=500\n  curl http://127.0.0.1:12111/v1/customers -u sk_test_123:"
)]
pub(crate) struct Arguments {
    /// The port to listen on, on the loopback address; 0 takes a free one.
    #[arg(long, default_value_t = 12_111)]
    pub(crate) port: u16,

    /// Objects by stream, as customers=1000,charges=500; all=20 stands for every other stream.
    #[arg(long, value_name = "STREAM=COUNT,…", value_delimiter = ',', default_value = "all=20")]
    objects: Vec<ObjectCount>,

    /// Decides everything that is made up.
    #[arg(long, default_value_t = 7)]
    seed: u64,

    /// How creation times spread over the span.
    #[arg(long, value_enum, default_value = "uniform")]
    distribution: Distribution,

    /// How many days the objects span.
    #[arg(long, value_name = "DAYS", default_value_t = 365)]
    span_days: u32,

    /// The end of the span, in unix seconds. It does not move by itself, so that a seed means
    /// the same objects on any day.
    #[arg(long, value_name = "SECONDS", default_value_t = 1_767_225_600)]
    newest: i64,

    /// When the account was created, in unix seconds; without it at the start of the span. Objects
    /// may be older.
    #[arg(long, value_name = "SECONDS")]
    account_created: Option<i64>,

    /// How long every answer takes.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(crate) latency_ms: u64,

    /// Requests a second for the account; more are answered 429.
    #[arg(long, value_name = "N")]
    rps: Option<NonZeroU32>,

    /// Requests a second for each list.
    #[arg(long, value_name = "N")]
    endpoint_rps: Option<NonZeroU32>,

    /// The key that is right; without it every key that begins with sk_ or rk_ is.
    #[arg(long, value_name = "KEY")]
    api_key: Option<String>,

    /// Streams that the key may not read.
    #[arg(long, value_name = "STREAM,…", value_delimiter = ',')]
    restrict: Vec<String>,

    /// Streams of products that the account has not set up.
    #[arg(long, value_name = "STREAM,…", value_delimiter = ',')]
    not_enabled: Vec<String>,

    /// A failure on order, as path=/v1/charges,status=500,times=2,after=1. May be repeated; a
    /// path that ends in * stands for all that begin so.
    #[arg(long, value_name = "RULE")]
    fail: Vec<FaultRule>,

    /// A fault of one request, as path=/v1/charges,nth=3,kind=429. May be repeated; times=2 goes
    /// on, seconds=5 says how long a wait is. Kinds: 429, endpoint-429, lock-timeout, 409, 500,
    /// 502, 503, html, empty, cut, short, reset, slow, hang, 401, 403, not-enabled, duplicate.
    #[arg(long, value_name = "RULE")]
    fault: Vec<TroubleRule>,

    /// The share of requests that go wrong by chance, as 0.05.
    #[arg(long, value_name = "SHARE")]
    fault_rate: Option<Share>,

    /// Decides which requests those are.
    #[arg(long, value_name = "N", default_value_t = 1)]
    fault_seed: u64,

    /// The kinds of fault that happen by chance; without it all that pass when asked again.
    #[arg(long, value_name = "KIND,…", value_delimiter = ',')]
    fault_kinds: Vec<Kind>,

    /// Streams whose lists are out of order.
    #[arg(long, value_name = "STREAM,…", value_delimiter = ',')]
    disorder: Vec<String>,

    /// How many connected accounts there are, each with objects of its own: the first of
    /// /v1/accounts, asked by Stripe-Account.
    #[arg(long, value_name = "N", default_value_t = 0)]
    accounts: u32,

    /// How many seconds the server's clock is ahead of the machine's; behind if negative.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, allow_negative_numbers = true)]
    clock_offset: i64,

    /// A clock that stands at this unix second, until POST /__clock {"advance": SECONDS}.
    #[arg(long, value_name = "SECONDS", conflicts_with = "clock_offset")]
    clock: Option<i64>,

    /// Changes a second while it runs. POST /__mutate {"steps": N} changes on order.
    #[arg(long, value_name = "RATE")]
    pub(crate) mutate: Option<Rate>,

    /// Decides what changes.
    #[arg(long, value_name = "N", default_value_t = 1)]
    mutate_seed: u64,

    /// The streams that change; without it all that have objects.
    #[arg(long, value_name = "STREAM,…", value_delimiter = ',')]
    mutate_streams: Vec<String>,

    /// Lists show what was so many seconds ago; retrieves are current.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    list_lag: u32,

    /// Events come so many seconds late.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    events_lag: u32,

    /// The account's own API version: of events, and of answers to requests that name none.
    #[arg(long, value_name = "VERSION")]
    api_version: Option<String>,

    /// Webhooks come up to so many seconds late, each by itself, so that they are out of order.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    webhook_late: u32,

    /// The share of webhooks that come twice.
    #[arg(long, value_name = "SHARE", default_value = "0")]
    webhook_twice: Share,

    /// Stripe's OpenAPI file (JSON, also gzipped) of the version to play; without it the embedded
    /// one is played.
    #[arg(long, value_name = "FILE")]
    openapi: Option<PathBuf>,

    /// Compresses answers for clients that take gzip.
    #[arg(long)]
    pub(crate) gzip: bool,

    /// Ends when standard input is closed, so that it does not outlive who started it.
    #[arg(long)]
    pub(crate) until_stdin_closes: bool,
}

/// A stream and how many objects it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectCount {
    stream: String,
    count: u32,
}

/// So many times a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate(f64);

impl Rate {
    /// The time between two times.
    pub(crate) fn pause(self) -> Duration {
        Duration::from_secs_f64(self.0.recip())
    }
}

impl std::str::FromStr for Rate {
    type Err = ArgumentError;

    fn from_str(text: &str) -> Result<Self, ArgumentError> {
        let rate = text.parse().ok().filter(|rate| (0.001..=10_000.0).contains(rate));
        rate.map(Self).ok_or_else(|| ArgumentError::NoRate(text.to_owned()))
    }
}

/// Arguments that cannot be played.
#[derive(Debug, Error)]
pub(crate) enum ArgumentError {
    #[error("reading an object count: `{0}` is not STREAM=COUNT; write customers=1000")]
    NoCount(String),
    #[error("reading `{path}`: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("compiling `{path}`: {source}")]
    Compile { path: PathBuf, source: CompileError },
    #[error("reading a rate: `{0}` is not between 0.001 and 10000; write 5 for five a second")]
    NoRate(String),
    #[error("reading the streams: there is no stream `{name}`; there are {known}")]
    UnknownStream { name: String, known: String },
}

impl std::str::FromStr for ObjectCount {
    type Err = ArgumentError;

    fn from_str(text: &str) -> Result<Self, ArgumentError> {
        let no_count = || ArgumentError::NoCount(text.to_owned());
        let (stream, count) = text.split_once('=').ok_or_else(no_count)?;
        let count = count.trim().parse().map_err(|_| no_count())?;
        Ok(Self { stream: stream.trim().to_owned(), count })
    }
}

impl Arguments {
    /// What is known of the API version that they ask for.
    pub(crate) fn facts(&self) -> Result<Facts, ArgumentError> {
        let Some(path) = &self.openapi else { return Ok(Facts::embedded()) };
        let text =
            openapi(path).map_err(|source| ArgumentError::Read { path: path.clone(), source })?;
        Facts::compile(&text)
            .map_err(|source| ArgumentError::Compile { path: path.clone(), source })
    }

    /// The account that they ask for.
    pub(crate) fn population(&self, facts: Facts) -> Result<Population, ArgumentError> {
        let start = self.newest - i64::from(self.span_days.max(1)) * SECONDS_A_DAY;
        Ok(Population {
            facts,
            seed: self.seed,
            counts: self.counts(facts.catalogue)?,
            distribution: self.distribution,
            span: Span { start, end: self.newest },
            account_created: self.account_created.unwrap_or(start),
            livemode: self.api_key.as_deref().is_some_and(|key| key.contains("_live_")),
            connected: size(self.accounts),
        })
    }

    /// How the account is to behave.
    pub(crate) fn behaviour(&self, facts: Facts) -> Result<Behaviour, ArgumentError> {
        Ok(Behaviour {
            api_key: self.api_key.clone(),
            rate: self.rps,
            endpoint_rate: self.endpoint_rps,
            restricted: known(&self.restrict, facts.catalogue)?,
            not_enabled: known(&self.not_enabled, facts.catalogue)?,
            disordered: known(&self.disorder, facts.catalogue)?,
            faults: self.faults(),
            clock: self.clock.map_or_else(|| Clock::running(self.clock_offset), Clock::still),
            lags: Lags { lists: self.list_lag, events: self.events_lag },
            api_version: self
                .api_version
                .clone()
                .unwrap_or_else(|| facts.catalogue.api_version.clone()),
            webhooks: Manner {
                seed: self.mutate_seed,
                late: self.webhook_late,
                twice: self.webhook_twice,
            },
            mutations: Mutations {
                seed: self.mutate_seed,
                streams: known(&self.mutate_streams, facts.catalogue)?.into_iter().collect(),
            },
        })
    }

    fn faults(&self) -> Faults {
        let chance = self.fault_rate;
        let chance =
            chance.map(|share| Chance::new(share, self.fault_seed, self.fault_kinds.clone()));
        Faults::new(self.fail.clone(), self.fault.clone(), chance)
    }

    /// Connected accounts are listed accounts.
    fn counts(&self, catalogue: &Catalogue) -> Result<BTreeMap<String, usize>, ArgumentError> {
        let mut counts = counts(&self.objects, catalogue)?;
        let accounts = counts.entry("accounts".to_owned()).or_default();
        *accounts = size(self.accounts).max(*accounts);
        Ok(counts)
    }
}

fn openapi(path: &Path) -> io::Result<String> {
    let bytes = std::fs::read(path)?;
    let mut text = String::new();
    if bytes.starts_with(GZIP_MAGIC) {
        GzDecoder::new(bytes.as_slice()).read_to_string(&mut text)?;
    } else {
        bytes.as_slice().read_to_string(&mut text)?;
    }
    Ok(text)
}

fn counts(
    objects: &[ObjectCount],
    catalogue: &Catalogue,
) -> Result<BTreeMap<String, usize>, ArgumentError> {
    let mut counts = BTreeMap::new();
    for all in objects.iter().filter(|entry| entry.stream == "all") {
        let names = stream_names(catalogue).map(str::to_owned);
        counts.extend(names.map(|name| (name, size(all.count))));
    }
    for entry in objects.iter().filter(|entry| entry.stream != "all") {
        require(&entry.stream, stream_names(catalogue))?;
        counts.insert(entry.stream.clone(), size(entry.count));
    }
    Ok(counts)
}

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn known(names: &[String], catalogue: &Catalogue) -> Result<BTreeSet<String>, ArgumentError> {
    let known = |name: &String| require_listed(name, catalogue).map(|()| name.clone());
    names.iter().map(known).collect()
}

/// What is listed under a parent can be refused too, and a permission stands for all it covers.
fn require_listed(name: &str, catalogue: &Catalogue) -> Result<(), ArgumentError> {
    if name.starts_with("rak_") || name == "account" {
        return Ok(());
    }
    let children = catalogue.parent_keyed.iter().map(|list| list.name.as_str());
    require(name, stream_names(catalogue).chain(children))
}

/// The streams have objects of their own to count.
fn stream_names(catalogue: &Catalogue) -> impl Iterator<Item = &str> {
    let streams = catalogue.streams.iter().chain(&catalogue.v2_streams);
    streams.map(|stream| stream.name.as_str())
}

fn require<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Result<(), ArgumentError> {
    let names: Vec<&str> = names.collect();
    if names.contains(&name) {
        return Ok(());
    }
    Err(ArgumentError::UnknownStream { name: name.to_owned(), known: names.join(", ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn population(objects: &str) -> Result<Population, ArgumentError> {
        let arguments = Arguments::parse_from(["fake-stripe", "--objects", objects]);
        arguments.population(Facts::embedded())
    }

    #[test]
    fn a_named_stream_goes_before_all() {
        let counts = population("customers=3,all=5").unwrap().counts;
        assert_eq!(counts.get("customers"), Some(&3));
        assert_eq!(counts.get("charges"), Some(&5));
        assert_eq!(population("customers=3").unwrap().counts.values().sum::<usize>(), 3);
    }

    #[test]
    fn an_unknown_stream_is_named() {
        let error = population("custmers=3").unwrap_err();
        assert!(error.to_string().contains("no stream `custmers`"), "{error}");
    }
}

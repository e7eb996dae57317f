//! The command line.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use clap::Parser;
use stripe_api::Catalogue;
use thiserror::Error;

use crate::app::Behaviour;
use crate::faults::FaultRule;
use crate::objects::{Distribution, Population, Span};

const SECONDS_A_DAY: i64 = 86_400;

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

/// Arguments that cannot be played.
#[derive(Debug, Error)]
pub(crate) enum ArgumentError {
    #[error("reading an object count: `{0}` is not STREAM=COUNT; write customers=1000")]
    NoCount(String),
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
    /// The account that they ask for.
    pub(crate) fn population(&self) -> Result<Population, ArgumentError> {
        let start = self.newest - i64::from(self.span_days.max(1)) * SECONDS_A_DAY;
        Ok(Population {
            seed: self.seed,
            counts: counts(&self.objects)?,
            distribution: self.distribution,
            span: Span { start, end: self.newest },
            livemode: self.api_key.as_deref().is_some_and(|key| key.contains("_live_")),
        })
    }

    /// How the account is to behave.
    pub(crate) fn behaviour(&self) -> Result<Behaviour, ArgumentError> {
        Ok(Behaviour {
            api_key: self.api_key.clone(),
            rate: self.rps,
            endpoint_rate: self.endpoint_rps,
            restricted: known(&self.restrict)?,
            not_enabled: known(&self.not_enabled)?,
            faults: self.fail.clone(),
        })
    }
}

fn counts(objects: &[ObjectCount]) -> Result<BTreeMap<String, usize>, ArgumentError> {
    let mut counts = BTreeMap::new();
    for all in objects.iter().filter(|entry| entry.stream == "all") {
        let names = Catalogue::embedded().streams.iter().map(|stream| stream.name.clone());
        counts.extend(names.map(|name| (name, size(all.count))));
    }
    for entry in objects.iter().filter(|entry| entry.stream != "all") {
        require_known(&entry.stream)?;
        counts.insert(entry.stream.clone(), size(entry.count));
    }
    Ok(counts)
}

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn known(names: &[String]) -> Result<BTreeSet<String>, ArgumentError> {
    names.iter().map(|name| require_known(name).map(|()| name.clone())).collect()
}

fn require_known(name: &str) -> Result<(), ArgumentError> {
    let catalogue = Catalogue::embedded();
    if catalogue.stream(name).is_some() {
        return Ok(());
    }
    let names: Vec<&str> = catalogue.streams.iter().map(|stream| stream.name.as_str()).collect();
    Err(ArgumentError::UnknownStream { name: name.to_owned(), known: names.join(", ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn population(objects: &str) -> Result<Population, ArgumentError> {
        Arguments::parse_from(["fake-stripe", "--objects", objects]).population()
    }

    #[test]
    fn a_named_stream_goes_before_all() {
        let counts = population("customers=3,all=5").unwrap().counts;
        assert_eq!(counts.get("customers"), Some(&3));
        assert_eq!(counts.get("charges"), Some(&5));
        assert_eq!(population("customers=3").unwrap().counts.len(), 1);
    }

    #[test]
    fn an_unknown_stream_is_named() {
        let error = population("custmers=3").unwrap_err();
        assert!(error.to_string().contains("no stream `custmers`"), "{error}");
    }
}

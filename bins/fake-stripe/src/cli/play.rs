//! From arguments to an account and how it behaves.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::path::Path;

use flate2::read::GzDecoder;
use stripe_api::Catalogue;

use super::arguments::Arguments;
use super::values::{ArgumentError, ObjectCount};
use crate::app::{Behaviour, Mutations};
use crate::clock::Clock;
use crate::faults::{Chance, Faults};
use crate::objects::{Facts, Population, Span};
use crate::tenant::Lags;
use crate::webhooks::Manner;

const SECONDS_A_DAY: i64 = 86_400;

/// How every gzipped file begins.
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

impl Arguments {
    /// What is known of the API version that they ask for.
    pub(crate) fn facts(&self) -> Result<Facts, ArgumentError> {
        let Some(path) = &self.account.openapi else { return Ok(Facts::embedded()) };
        let text =
            openapi(path).map_err(|source| ArgumentError::Read { path: path.clone(), source })?;
        Facts::compile(&text)
            .map_err(|source| ArgumentError::Compile { path: path.clone(), source })
    }

    /// The account that they ask for.
    pub(crate) fn population(&self, facts: Facts) -> Result<Population, ArgumentError> {
        let days = i64::from(self.account.span_days.max(1));
        let start = self.account.newest.saturating_sub(days * SECONDS_A_DAY);
        Ok(Population {
            facts,
            seed: self.account.seed,
            counts: self.counts(facts.catalogue)?,
            distribution: self.account.distribution,
            span: Span { start, end: self.account.newest },
            account_created: self.account.account_created.unwrap_or(start),
            livemode: self.trouble.api_key.as_deref().is_some_and(|key| key.contains("_live_")),
            connected: size(self.account.accounts),
        })
    }

    /// How the account is to behave.
    pub(crate) fn behaviour(&self, facts: Facts) -> Result<Behaviour, ArgumentError> {
        Ok(Behaviour {
            api_key: self.trouble.api_key.clone(),
            rate: self.trouble.rps,
            endpoint_rate: self.trouble.endpoint_rps,
            restricted: known(&self.trouble.restrict, facts.catalogue)?,
            not_enabled: known(&self.trouble.not_enabled, facts.catalogue)?,
            disordered: known(&self.trouble.disorder, facts.catalogue)?,
            faults: self.faults(),
            clock: self
                .change
                .clock
                .map_or_else(|| Clock::running(self.change.clock_offset), Clock::still),
            lags: Lags { lists: self.change.list_lag, events: self.change.events_lag },
            api_version: self
                .account
                .api_version
                .clone()
                .unwrap_or_else(|| facts.catalogue.api_version.clone()),
            webhooks: Manner {
                seed: self.change.mutate_seed,
                late: self.change.webhook_late,
                twice: self.change.webhook_twice,
            },
            mutations: Mutations {
                seed: self.change.mutate_seed,
                streams: known(&self.change.mutate_streams, facts.catalogue)?.into_iter().collect(),
            },
        })
    }

    fn faults(&self) -> Faults {
        let chance = self.trouble.fault_rate;
        let chance = chance.map(|share| {
            Chance::new(share, self.trouble.fault_seed, self.trouble.fault_kinds.clone())
        });
        Faults::new(self.trouble.fail.clone(), self.trouble.fault.clone(), chance)
    }

    /// Connected accounts are listed accounts.
    fn counts(&self, catalogue: &Catalogue) -> Result<BTreeMap<String, usize>, ArgumentError> {
        let mut counts = counts(&self.account.objects, catalogue)?;
        let accounts = counts.entry("accounts".to_owned()).or_default();
        *accounts = size(self.account.accounts).max(*accounts);
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
    let keyed = catalogue.keyed.iter().map(|keyed| keyed.facts.name.as_str());
    require(name, stream_names(catalogue).chain(children).chain(keyed))
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
    use clap::Parser as _;

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

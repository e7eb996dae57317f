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
use crate::permissions::{WEBHOOK_WRITE, permission};
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
            restricted: known(&self.trouble.restrict, &refusable(facts.catalogue))?,
            not_enabled: known(&self.trouble.not_enabled, &lists(facts.catalogue))?,
            disordered: known(&self.trouble.disorder, &streams(facts.catalogue))?,
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
                streams: known(&self.change.mutate_streams, &streams(facts.catalogue))?
                    .into_iter()
                    .collect(),
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
    let (mut counts, streams) = (BTreeMap::new(), streams(catalogue));
    for all in objects.iter().filter(|entry| entry.stream == "all") {
        counts.extend(streams.iter().map(|name| (name.clone(), size(all.count))));
    }
    for entry in objects.iter().filter(|entry| entry.stream != "all") {
        require(&entry.stream, &streams)?;
        counts.insert(entry.stream.clone(), size(entry.count));
    }
    Ok(counts)
}

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn known(names: &[String], all: &BTreeSet<String>) -> Result<BTreeSet<String>, ArgumentError> {
    names.iter().map(|name| require(name, all).map(|()| name.clone())).collect()
}

fn require(name: &str, all: &BTreeSet<String>) -> Result<(), ArgumentError> {
    if all.contains(name) {
        return Ok(());
    }
    let known = all.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    Err(ArgumentError::UnknownStream { name: name.to_owned(), known })
}

/// The streams have objects of their own to count, change and put out of order.
fn streams(catalogue: &Catalogue) -> BTreeSet<String> {
    let streams = catalogue.streams.iter().chain(&catalogue.v2_streams);
    streams.map(|stream| stream.name.clone()).collect()
}

/// What is listed under a parent can be refused too.
fn lists(catalogue: &Catalogue) -> BTreeSet<String> {
    let children = catalogue.parent_keyed.iter().map(|list| list.name.clone());
    let keyed = catalogue.keyed.iter().map(|keyed| keyed.facts.name.clone());
    streams(catalogue).into_iter().chain(children).chain(keyed).collect()
}

/// The same, the account itself, and permissions, each for all that it covers.
fn refusable(catalogue: &Catalogue) -> BTreeSet<String> {
    let streams = catalogue.streams.iter().chain(&catalogue.v2_streams);
    let objects = streams.map(|stream| stream.object.as_str());
    let children = catalogue.parent_keyed.iter().map(|list| list.resource.as_str());
    let permissions = objects.chain(children).chain(["account"]).map(permission);
    let more = ["account", WEBHOOK_WRITE].map(str::to_owned);
    lists(catalogue).into_iter().chain(permissions).chain(more).collect()
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

    #[test]
    fn what_would_change_nothing_is_refused() {
        let behaviour = |flag: &str, value: &str| {
            let arguments = Arguments::parse_from(["fake-stripe", flag, value]);
            arguments.behaviour(Facts::embedded()).map(drop)
        };
        for (flag, good, bad) in [
            ("--restrict", "rak_charge_read", "rak_chargee_read"),
            ("--restrict", "rak_webhook_write", "rak_webhook_rite"),
            ("--restrict", "account", "acount"),
            ("--not-enabled", "issuing_cards", "rak_charge_read"),
            ("--disorder", "charges", "customer_tax_ids"),
            ("--mutate-streams", "charges", "account"),
        ] {
            assert!(behaviour(flag, good).is_ok(), "{flag} {good}");
            let error = behaviour(flag, bad).unwrap_err().to_string();
            assert!(error.contains(&format!("no stream `{bad}`")), "{error}");
        }
    }
}

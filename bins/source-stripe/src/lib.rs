//! Reads a Stripe account through its REST API and writes it as NDJSON.
//!
//! A record's way: the plan says the next page ([`backfill`]), the client fetches it ([`client`]),
//! the page is turned into record lines without a tree ([`page`]), and the emitter writes them and
//! then the state that covers them ([`ranges`]). Only the client talks to the network; what decides
//! is pure.

mod account;
mod backfill;
mod body;
mod call;
mod change;
mod check;
mod child_streams;
mod client;
mod clock;
mod config;
mod discover;
mod errors;
mod headers;
#[cfg(any(test, fuzzing))]
pub mod laws;
mod limits;
mod live;
mod openapi;
mod page;
mod page_size;
mod ranges;
mod read;
mod room;
mod setup;
mod spec;
mod transport;
mod walk;
mod whole;

#[cfg(test)]
mod random;

use std::sync::Arc;

use connector::{About, Emitter, Environment, Error, ReadRequest, Source, Stop};
use protocol::{Catalog, ConfiguredCatalog, Spec};
use stripe_api::Catalogue;

use crate::backfill::{Backfill, Start};
use crate::change::Changes;
use crate::client::Client;
use crate::config::Settings;
pub use crate::config::{Config, Given};
use crate::live::Live;
use crate::read::{Ahead, Reading};

/// The source: a Stripe account.
#[derive(Debug)]
pub struct StripeSource {
    given: Given,
    settings: Settings,
}

impl Source for StripeSource {
    const ABOUT: About = About {
        name: "source-stripe",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Reads a Stripe account as NDJSON.",
        example: "export STRIPE_API_KEY=rk_test_…\n  \
                  echo '{\"api_version\":\"2026-01-28.clover\"}' > config.json\n  \
                  source-stripe check --config config.json\n  \
                  source-stripe discover --config config.json | jq '{streams: [.catalog.streams[] | \
                  select(.name == \"customers\") | {stream: .}]}' > catalog.json\n  \
                  source-stripe read --config config.json --catalog catalog.json",
        environment: &[("api_key", &["STRIPE_API_KEY"])],
    };
    type Config = Given;

    fn spec() -> Spec {
        spec::spec()
    }

    async fn open(
        given: Given,
        environment: &Environment,
        out: &mut Emitter,
    ) -> Result<Self, Error> {
        let catalogue = match &given.config.openapi_spec {
            Some(named) => openapi::load(named, environment, out).await?,
            None => Catalogue::embedded(),
        };
        let settings = Settings::new(given.config.clone(), catalogue)?;
        Ok(Self { given, settings })
    }

    async fn check(
        &self,
        catalog: Option<&ConfiguredCatalog>,
        out: &mut Emitter,
    ) -> Result<String, Error> {
        let (client, _notices) = Client::open(&self.settings)?;
        let account = account::look_up(&client, &self.settings).await?;
        let default_version = account::default_version(&client).await?;
        let found = account.describe(&self.settings, default_version.as_deref());
        let Some(catalog) = catalog else { return Ok(found) };
        let tally = check::probe(&client, self.settings.catalogue, catalog, out).await?;
        Ok(format!("{found}; {tally}"))
    }

    async fn discover(&self, out: &mut Emitter) -> Result<Catalog, Error> {
        if let Some(account_id) = &self.settings.account_id {
            return discover::catalog(account_id, &self.settings);
        }
        let (client, _notices) = Client::open(&self.settings)?;
        let account = account::look_up(&client, &self.settings).await?;
        client.tell_requests(out).await?;
        discover::catalog(&account.id, &self.settings)
    }

    async fn read(&self, request: ReadRequest, out: &mut Emitter, stop: Stop) -> Result<(), Error> {
        refuse_twice(&request.catalog)?;
        let (client, notices) = Client::open(&self.settings)?;
        let account = tokio::select! {
            () = stop.requested() => return Ok(()),
            account = account::look_up(&client, &self.settings) => account?,
        };
        let mut wishes = self.settings.wishes.clone();
        wishes.account_created = wishes.account_created.or(account.created());
        let now = client.now().ok_or_else(|| no_time(&client))?;
        let start = Start::new(&request, &wishes, now);
        backfill::open(&start, out).await?;
        let ReadRequest { catalog, follow, input, .. } = request;
        let client = Arc::new(client);
        let from = &self.settings.live_input;
        let live = Some(Live::open(from, &client, (follow, input), &stop, out).await?);
        let (plan, lists) = (start.plan, Arc::clone(&client));
        let backfill = Backfill::new(plan, lists, &account.id, follow, &self.settings);
        let of = (account.id.as_str(), &self.settings);
        let ahead = Ahead {
            changes: Changes::new(start.global, &client, &backfill, &catalog, of),
            backfill,
            live,
            notices,
            asks: !from.from_stdin,
            poll: self.settings.changing.poll,
            follow,
            is_unread_elsewhere: start.is_unread_elsewhere,
        };
        Box::pin(Reading::new(ahead, out, &stop).run()).await
    }

    async fn setup(&self, catalog: &ConfiguredCatalog, out: &mut Emitter) -> Result<(), Error> {
        setup::set_up(&self.given.whole, &self.settings, catalog, out).await
    }

    async fn teardown(
        &self,
        _: Option<&ConfiguredCatalog>,
        out: &mut Emitter,
    ) -> Result<(), Error> {
        setup::tear_down(&self.settings, out).await
    }
}

fn refuse_twice(catalog: &ConfiguredCatalog) -> Result<(), Error> {
    let mut names: Vec<&str> =
        catalog.streams.iter().map(|configured| configured.stream.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair.first() == pair.last()) {
        Some([name, ..]) => {
            Err(Error::config(format!("reading --catalog: `{name}` is in it twice"))
                .hint("leave one out"))
        }
        _ => Ok(()),
    }
}

fn no_time(client: &Client) -> Error {
    Error::unreachable(format!(
        "asking `{}` for its time: no answer had a `Date`",
        client.base_url()
    ))
    .hint("check `base_url`: something between removes the header")
}

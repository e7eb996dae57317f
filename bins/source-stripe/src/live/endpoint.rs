//! The webhook endpoint that `setup` makes and `teardown` removes: the one at the configured address
//! that carries our mark. Endpoints that others made are left alone.

use std::collections::{BTreeMap, BTreeSet};

use connector::{Emitter, Error};
use protocol::{ConfiguredCatalog, Level, Secret};
use serde::Deserialize;
use serde_json::Value;
use stripe_api::Catalogue;
use url::Url;
use uuid::Uuid;

use crate::client::{Call, Client, Reply, Writing};
use crate::config::Settings;
use crate::errors::Failure;
use crate::page::Malformed;

/// Where Stripe keeps endpoints (<https://docs.stripe.com/api/webhook_endpoints>).
const PATH: &str = "/v1/webhook_endpoints";
/// Our mark, in the metadata.
const MARK: (&str, &str) = ("managed_by", "stripe-sync");
/// Stands for every type of event.
const EVERY: &str = "*";

/// An endpoint, as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
struct Endpoint {
    id: String,
    url: String,
    status: String,
    api_version: Option<String>,
    enabled_events: BTreeSet<String>,
    #[serde(default)]
    metadata: BTreeMap<String, Value>,
    /// Told only when it is made.
    secret: Option<Secret>,
}

#[derive(Debug, Deserialize)]
struct Endpoints {
    data: Vec<Endpoint>,
    has_more: bool,
}

#[derive(Debug, Deserialize)]
struct Deleted {
    deleted: bool,
}

/// Talks to Stripe about the endpoint at one address.
#[derive(Debug)]
pub(crate) struct Desk<'a> {
    client: &'a Client,
    settings: &'a Settings,
    url: &'a Url,
}

impl<'a> Desk<'a> {
    /// A desk for the configured address; none without one.
    pub(crate) fn open(client: &'a Client, settings: &'a Settings) -> Option<Self> {
        let url = settings.live_input.url.as_ref()?;
        Some(Self { client, settings, url })
    }

    /// Makes sure that there is an endpoint for what the catalog needs. Gives the secret of one that
    /// was made.
    ///
    /// # Errors
    ///
    /// When Stripe refuses; it says what to do by hand.
    pub(crate) async fn set_up(
        &self,
        catalog: &ConfiguredCatalog,
        out: &mut Emitter,
    ) -> Result<Option<Secret>, Error> {
        let wanted = wanted(self.settings.catalogue, catalog);
        if wanted.is_empty() {
            let text = "no webhook endpoint is needed: no event tells of these streams";
            out.log(Level::Warn, text).await?;
            return Ok(None);
        }
        let Some(found) = self.managed().await?.into_iter().next() else {
            return self.create(&wanted, out).await;
        };
        self.complete(&found, &wanted, out).await?;
        for warning in self.warnings(&found) {
            out.log(Level::Warn, warning).await?;
        }
        Ok(None)
    }

    /// Removes the endpoint at the address that carries our mark.
    ///
    /// # Errors
    ///
    /// When Stripe refuses; it says what to do by hand.
    pub(crate) async fn tear_down(&self, out: &mut Emitter) -> Result<(), Error> {
        let managed = self.managed().await?;
        if managed.is_empty() {
            let text = format!("there is no webhook endpoint of ours at {}", self.url);
            out.log(Level::Info, text).await?;
        }
        for Endpoint { id, .. } in managed {
            let call =
                self.call("removing the webhook endpoint", "DELETE", &format!("{PATH}/{id}"));
            let answer = self.client.write(&call, &Writing::Delete, read::<Deleted>).await;
            if !answer.map_err(|failure| self.refused(failure))?.deleted {
                return Err(Error::data(format!(
                    "removing webhook endpoint `{id}`: it is still there"
                ))
                .hint("remove it in the Dashboard, under Developers, Webhooks"));
            }
            out.log(Level::Info, format!("removed webhook endpoint `{id}` at {}", self.url))
                .await?;
        }
        Ok(())
    }

    /// All that are at the address and carry our mark.
    async fn managed(&self) -> Result<Vec<Endpoint>, Error> {
        let mut managed = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut call = self.call("looking for the webhook endpoint", "GET", PATH);
            call.ask("limit", "100");
            if let Some(after) = &after {
                call.ask("starting_after", after);
            }
            let page = self.client.get(&call, read::<Endpoints>).await;
            let page = page.map_err(|failure| self.refused(failure))?;
            after = page.data.last().map(|endpoint| endpoint.id.clone()).filter(|_| page.has_more);
            managed.extend(page.data.into_iter().filter(|found| found.is_managed_at(self.url)));
            if after.is_none() {
                return Ok(managed);
            }
        }
    }

    async fn create(
        &self,
        wanted: &BTreeSet<&str>,
        out: &mut Emitter,
    ) -> Result<Option<Secret>, Error> {
        let mut form = vec![
            ("url".to_owned(), self.url.to_string()),
            ("api_version".to_owned(), self.settings.api_version.clone()),
            (format!("metadata[{}]", MARK.0), MARK.1.to_owned()),
        ];
        form.extend(events(wanted));
        // The key of this one attempt: with one that outlives it, Stripe would answer for a day with
        // an endpoint that was removed meanwhile.
        let writing = Writing::Post { form, idempotency_key: Uuid::new_v4().to_string() };
        let call = self.call("making the webhook endpoint", "POST", PATH);
        let made = self.client.write(&call, &writing, read::<Endpoint>).await;
        let made = made.map_err(|failure| self.refused(failure))?;
        let text = format!(
            "made webhook endpoint `{}` at {} for {} types of events",
            made.id,
            self.url,
            wanted.len()
        );
        out.log(Level::Info, text).await?;
        Ok(made.secret)
    }

    /// Switches an endpoint on, and adds the types of events that it lacks.
    async fn complete(
        &self,
        found: &Endpoint,
        wanted: &BTreeSet<&str>,
        out: &mut Emitter,
    ) -> Result<(), Error> {
        let Endpoint { id, .. } = found;
        let has = &found.enabled_events;
        let lacks = !has.contains(EVERY) && wanted.iter().any(|wanted| !has.contains(*wanted));
        let is_off = found.status != "enabled";
        if !lacks && !is_off {
            return out.log(Level::Info, format!("webhook endpoint `{id}` is there")).await;
        }
        let mut form = vec![("disabled".to_owned(), "false".to_owned())];
        if lacks {
            // Whoever shares the endpoint keeps what it gets.
            let all = has.iter().map(String::as_str).chain(wanted.iter().copied()).collect();
            form.extend(events(&all));
        }
        let writing = Writing::Post { form, idempotency_key: Uuid::new_v4().to_string() };
        let call = self.call("changing the webhook endpoint", "POST", &format!("{PATH}/{id}"));
        let changed = self.client.write(&call, &writing, read::<Endpoint>).await;
        changed.map_err(|failure| self.refused(failure))?;
        let (on, more) = (is_off.then_some("switched on"), lacks.then_some("given more events"));
        let what: Vec<&str> = on.into_iter().chain(more).collect();
        out.log(Level::Info, format!("webhook endpoint `{id}` was {}", what.join(" and "))).await
    }

    fn warnings(&self, found: &Endpoint) -> Vec<String> {
        let mut warnings = Vec::new();
        let (id, ours) = (&found.id, &self.settings.api_version);
        if found.api_version.as_ref() != Some(ours) {
            let theirs = found.api_version.as_deref().unwrap_or("of the account");
            warnings.push(format!(
                "webhook endpoint `{id}` sends events in API version `{theirs}`, not `{ours}`: each is asked for again; `teardown` and then `setup` make it anew"
            ));
        }
        if self.settings.live_input.secrets.is_empty() {
            warnings.push(format!(
                "webhook endpoint `{id}` was made before and its secret is not known here: give it as `webhook_secret` (Dashboard, Developers, Webhooks), or let `teardown` and then `setup` make it anew"
            ));
        }
        warnings
    }

    fn call(&self, doing: &str, method: &str, path: &str) -> Call {
        let (url, version) = (self.url, &self.settings.api_version);
        let permission = format!(
            "give the key write permission for webhook endpoints, or make one for {url} by hand (Dashboard, Developers, Webhooks, API version {version}), leave `webhook_url` out and give its signing secret as `webhook_secret`"
        );
        Call::with_permission(doing, method, path, permission)
    }

    fn refused(&self, failure: Failure) -> Error {
        match failure {
            Failure::Connection(error) | Failure::Stream(error) => error,
            Failure::Denied(what) => Error::permission(what),
            Failure::Unavailable(what) => Error::config(what).hint("check `base_url`"),
            Failure::NoCallsLeft => {
                Error::config(format!("setting up {}: no request is allowed", self.url))
                    .hint("raise `max_api_calls`")
            }
            Failure::CursorGone | Failure::Gone | Failure::TooLarge => {
                Error::unreachable("looking for the webhook endpoint: the list changed meanwhile")
                    .hint("try again")
            }
        }
    }
}

impl Endpoint {
    fn is_managed_at(&self, url: &Url) -> bool {
        let mark = self.metadata.get(MARK.0).and_then(Value::as_str);
        mark == Some(MARK.1) && Url::parse(&self.url).is_ok_and(|own| own == *url)
    }
}

/// The types of events that tell of the streams of a catalog.
fn wanted<'a>(catalogue: &'a Catalogue, catalog: &ConfiguredCatalog) -> BTreeSet<&'a str> {
    let names = catalog.streams.iter().map(|configured| configured.stream.name.as_str());
    let types = names.flat_map(|name| {
        catalogue.facts(name).map(|facts| facts.event_types.as_slice()).unwrap_or_default()
    });
    types.map(String::as_str).collect()
}

fn events(types: &BTreeSet<&str>) -> Vec<(String, String)> {
    types.iter().map(|name| ("enabled_events[]".to_owned(), (*name).to_owned())).collect()
}

fn read<T: for<'a> Deserialize<'a>>(reply: &Reply) -> Result<T, Malformed> {
    serde_json::from_slice(&reply.body)
        .map_err(|error| Malformed::new(format!("an answer that is no webhook endpoint: {error}")))
}

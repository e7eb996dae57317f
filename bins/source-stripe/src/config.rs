//! What the owner writes, and what it means once it was looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use connector::Error;
use protocol::{Secret, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};
use stripe_api::Catalogue;
use url::Url;

use crate::backfill::Wishes;
use crate::child_streams::{self, ChildStreams};
use crate::limits::Rates;
use crate::live::{EventInput, LiveSettings, WebhookSecrets};

/// Stripe's own address.
pub(crate) const STRIPE: &str = "https://api.stripe.com";
/// Requests that may be under way at once.
const MAX_IN_FLIGHT: u32 = 32;
/// How much later than its second an event may show in the list of events.
const OVERLAP_SECONDS: i64 = 60;
/// Parameters that belong to paging.
const OURS: [&str; 4] = ["limit", "starting_after", "ending_before", "created"];

/// The configuration as it is written; `spec` says what each key is.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    pub(crate) api_key: Secret,
    pub(crate) api_version: Option<String>,
    pub(crate) openapi_spec: Option<String>,
    pub(crate) base_url: Option<String>,
    pub(crate) account_id: Option<String>,
    pub(crate) account_created: Option<i64>,
    pub(crate) account: Option<String>,
    pub(crate) livemode: Option<bool>,
    pub(crate) rate_limit: Option<NonZeroU32>,
    pub(crate) endpoint_rate_limit: Option<NonZeroU32>,
    pub(crate) max_in_flight: Option<NonZeroU32>,
    pub(crate) max_api_calls: Option<u64>,
    pub(crate) backfill_limit: Option<u64>,
    pub(crate) relist_every: Option<u32>,
    pub(crate) expand_lists: Option<bool>,
    pub(crate) child_streams: Option<ChildStreams>,
    #[serde(default)]
    pub(crate) list_params: BTreeMap<String, BTreeMap<String, Value>>,
    pub(crate) poll_events: Option<bool>,
    pub(crate) events_overlap_seconds: Option<u32>,
    pub(crate) revalidate_objects: Option<Vec<String>>,
    pub(crate) event_version_mismatch: Option<Mismatch>,
    pub(crate) webhook_url: Option<String>,
    pub(crate) webhook_secret: Option<WebhookSecrets>,
    pub(crate) webhook_port: Option<u16>,
    pub(crate) webhook_host: Option<String>,
    pub(crate) websocket: Option<bool>,
    pub(crate) input: Option<EventInput>,
}

/// The configuration, and the text it was read from, to be given back with what was learned.
#[derive(Clone)]
pub struct Given {
    /// What it says.
    pub(crate) config: Config,
    /// All of it, secrets included.
    pub(crate) whole: Map<String, Value>,
}

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Given").field("config", &self.config).finish_non_exhaustive()
    }
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let whole = Map::deserialize(deserializer)?;
        let config = serde_json::from_value(Value::Object(whole.clone()));
        Ok(Self { config: config.map_err(serde::de::Error::custom)?, whole })
    }
}

/// What to do with an event that is written in another version of the API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mismatch {
    /// The object is asked for again, in our version.
    #[default]
    Fetch,
    /// It is taken as it is.
    Accept,
}

/// How changes are read.
#[derive(Debug, Clone)]
pub(crate) struct Changing {
    /// Whether `/v1/events` is read.
    pub(crate) poll: bool,
    /// How far before its place a reading begins, because events may come late, in seconds.
    pub(crate) overlap: i64,
    /// Streams, kinds of objects or of events whose objects are always asked for again.
    pub(crate) revalidate: BTreeSet<String>,
    /// What to do with events in another version.
    pub(crate) mismatch: Mismatch,
}

/// The configuration once it was found to make sense.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// What is known of the version of Stripe's API that is read.
    pub(crate) catalogue: &'static Catalogue,
    /// The key.
    pub(crate) api_key: Secret,
    /// The version that is sent with every request.
    pub(crate) api_version: String,
    /// Where Stripe is, without a slash at the end.
    pub(crate) base_url: String,
    /// The account that the key must belong to.
    pub(crate) account_id: Option<String>,
    /// A connected account to read instead of the key's own.
    pub(crate) account: Option<String>,
    /// Whether the key is for live data, as far as it says.
    pub(crate) live: Option<bool>,
    /// How many requests may be made.
    pub(crate) rates: Rates,
    /// How many may be under way at once.
    pub(crate) max_in_flight: usize,
    /// What concerns changes.
    pub(crate) changing: Changing,
    /// What concerns the backfill.
    pub(crate) wishes: Wishes,
    /// What concerns events that others bring.
    pub(crate) live_input: LiveSettings,
}

impl Settings {
    /// Looks at a configuration for that version of Stripe's API, without talking to anybody.
    ///
    /// # Errors
    ///
    /// One line that names the key and what to write instead.
    pub(crate) fn new(config: Config, catalogue: &'static Catalogue) -> Result<Self, Error> {
        let api_version = api_version(&config, catalogue)?;
        let live = mode(&config)?;
        let default_rate =
            |live_rate, test_rate| if live == Some(true) { live_rate } else { test_rate };
        let rate = |asked: Option<NonZeroU32>, default: u32| {
            f64::from(asked.map_or(default, NonZeroU32::get))
        };
        let rates = Rates {
            account: rate(config.rate_limit, default_rate(50, 10)),
            endpoint: rate(config.endpoint_rate_limit, default_rate(15, 10)),
            calls: config.max_api_calls,
        };
        let max_in_flight = config.max_in_flight.map_or(MAX_IN_FLIGHT, NonZeroU32::get);
        let usual = Wishes::new(catalogue);
        Ok(Self {
            catalogue,
            live_input: LiveSettings::new(&config)?,
            base_url: base_url(config.base_url.as_deref().unwrap_or(STRIPE))?,
            wishes: Wishes {
                backfill_limit: config.backfill_limit,
                list_params: list_params(&config.list_params, catalogue)?,
                account_created: config.account_created.map(Timestamp::from_seconds),
                relist_every: config.relist_every.map_or(usual.relist_every, i64::from),
                api_version: api_version.clone(),
                expand_lists: config.expand_lists.unwrap_or(usual.expand_lists),
                child_streams: child_streams::chosen(config.child_streams.as_ref(), catalogue)?,
                ..usual
            },
            changing: Changing {
                poll: config.poll_events.unwrap_or(true),
                overlap: config.events_overlap_seconds.map_or(OVERLAP_SECONDS, i64::from),
                revalidate: config.revalidate_objects.into_iter().flatten().collect(),
                mismatch: config.event_version_mismatch.unwrap_or_default(),
            },
            api_key: config.api_key,
            api_version,
            account_id: config.account_id,
            account: config.account,
            live,
            rates,
            max_in_flight: usize::try_from(max_in_flight).unwrap_or(usize::MAX),
        })
    }

    /// The mode in a word.
    pub(crate) const fn mode(&self) -> &'static str {
        match self.live {
            Some(true) => "live mode",
            Some(false) => "test mode",
            None => "unknown mode",
        }
    }
}

/// The version to ask for: the one that the catalogue is about, which the owner may leave out
/// only beside the file that it was made of.
fn api_version(config: &Config, catalogue: &Catalogue) -> Result<String, Error> {
    let known = &catalogue.api_version;
    match (&config.api_version, &config.openapi_spec) {
        (None, None) => Err(Error::config("reading --config: `api_version` is missing")
            .hint(format!("give it in --config, for example \"{known}\""))),
        (Some(version), None) if version != known => Err(Error::config(format!(
            "reading --config: `api_version` `{version}` is not known here"
        ))
        .hint(format!(
            "this program knows `{known}`; for another give Stripe's file of it as `openapi_spec`"
        ))),
        (Some(version), Some(_)) if version != known => Err(Error::config(format!(
            "reading --config: `openapi_spec` describes `{known}`, not `api_version` `{version}`"
        ))
        .hint(format!("give the file of that version, or `{known}` as `api_version`"))),
        _ => Ok(known.clone()),
    }
}

/// The mode that a key says it is for (<https://docs.stripe.com/keys>), held against the owner's word.
fn mode(config: &Config) -> Result<Option<bool>, Error> {
    let key = config.api_key.expose();
    if key.starts_with("pk_") {
        return Err(Error::config(
            "reading --config: `api_key` is a publishable key, which cannot read",
        )
        .hint("give a secret (sk_…) or, better, a restricted key (rk_…) with read permissions"));
    }
    let of_key = match () {
        () if key.contains("_live_") => Some(true),
        () if key.contains("_test_") => Some(false),
        () => None,
    };
    match (config.livemode, of_key) {
        (Some(asked), Some(is)) if asked != is => {
            let (asked, is) = (mode_name(asked), mode_name(is));
            Err(Error::config(format!(
                "reading --config: `livemode` asks for {asked} data and `api_key` is for {is} data"
            ))
            .hint("give the key of that mode, or correct `livemode`"))
        }
        (asked, is) => Ok(is.or(asked)),
    }
}

const fn mode_name(live: bool) -> &'static str {
    if live { "live" } else { "test" }
}

fn base_url(text: &str) -> Result<String, Error> {
    let wrong = |why: &str| {
        Error::config(format!("reading --config: `base_url` `{text}` {why}"))
            .hint(format!("give something like `{STRIPE}`, or leave it out"))
    };
    let url = Url::parse(text).map_err(|error| wrong(&format!("is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("is neither http nor https"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("has a query or a fragment"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn list_params(
    asked: &BTreeMap<String, BTreeMap<String, Value>>,
    catalogue: &Catalogue,
) -> Result<BTreeMap<String, BTreeMap<String, String>>, Error> {
    let mut all = BTreeMap::new();
    for (stream, params) in asked {
        if catalogue.facts(stream).is_none() {
            return Err(Error::config(format!(
                "reading --config: `list_params` names `{stream}`, and there is no such stream"
            ))
            .hint("`source-stripe discover` lists those that there are"));
        }
        let params = params.iter().map(|(name, value)| param(stream, name, value));
        all.insert(stream.clone(), params.collect::<Result<_, _>>()?);
    }
    Ok(all)
}

fn param(stream: &str, name: &str, value: &Value) -> Result<(String, String), Error> {
    let wrong = |why: &str| {
        Error::config(format!("reading --config: `list_params` of `{stream}`: `{name}` {why}"))
    };
    if OURS.iter().any(|ours| name.split('[').next() == Some(ours)) {
        return Err(wrong("belongs to paging").hint("leave it out"));
    }
    match value {
        Value::String(text) => Ok((name.to_owned(), text.clone())),
        Value::Number(_) | Value::Bool(_) => Ok((name.to_owned(), value.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(wrong("is no text, number or boolean"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(config: Value) -> Result<Settings, String> {
        let mut all = json!({
            "api_key": "sk_test_0123456789abcd",
            "api_version": Catalogue::embedded().api_version,
        });
        let Value::Object(more) = config else { panic!("an object") };
        all.as_object_mut().unwrap().extend(more);
        let config = serde_json::from_value(all).unwrap();
        Settings::new(config, Catalogue::embedded()).map_err(|error| error.report())
    }

    #[test]
    fn rates_follow_the_mode_of_the_key() {
        let test = settings(json!({})).unwrap();
        assert_eq!((test.rates.account, test.rates.endpoint, test.live), (10.0, 10.0, Some(false)));
        let live = settings(json!({"api_key": "rk_live_1"})).unwrap();
        assert_eq!((live.rates.account, live.rates.endpoint, live.live), (50.0, 15.0, Some(true)));
        let own = settings(json!({"rate_limit": 3})).unwrap();
        assert_eq!(own.rates.account, 3.0);
    }

    #[test]
    fn a_base_url_keeps_its_prefix_and_loses_its_slash() {
        let base = |url: &str| settings(json!({ "base_url": url })).map(|found| found.base_url);
        assert_eq!(
            base("http://127.0.0.1:12111/stripe/").unwrap(),
            "http://127.0.0.1:12111/stripe"
        );
        assert_eq!(base("https://api.stripe.com").unwrap(), STRIPE);
        assert!(base("api.stripe.com").unwrap_err().contains("is no URL"));
        assert!(base("ftp://api.stripe.com").unwrap_err().contains("neither http nor https"));
    }

    #[test]
    fn a_key_of_the_other_mode_is_refused() {
        let error = settings(json!({"livemode": true})).unwrap_err();
        assert!(error.contains("`livemode` asks for live data and `api_key` is for test data"));
        assert_eq!(settings(json!({"livemode": false})).unwrap().live, Some(false));
        assert!(settings(json!({"api_key": "pk_live_1"})).unwrap_err().contains("publishable"));
    }

    #[test]
    fn another_version_is_refused_with_the_one_that_is_known() {
        let error = settings(json!({"api_version": "2020-08-27"})).unwrap_err();
        assert_eq!(
            error,
            "reading --config: `api_version` `2020-08-27` is not known here; this program knows `2026-01-28.clover`; for another give Stripe's file of it as `openapi_spec`"
        );
    }

    #[test]
    fn a_file_decides_the_version_and_another_beside_it_is_refused() {
        let with = |version: Value| {
            settings(json!({"openapi_spec": "spec3.json", "api_version": version}))
        };
        assert_eq!(with(Value::Null).unwrap().api_version, Catalogue::embedded().api_version);
        assert!(with(json!("2026-01-28.clover")).is_ok());
        assert!(with(json!("2024-06-20")).unwrap_err().contains(
            "`openapi_spec` describes `2026-01-28.clover`, not `api_version` `2024-06-20`"
        ));
        assert!(settings(json!({"api_version": null})).unwrap_err().contains("is missing"));
    }

    #[test]
    fn list_params_are_texts_of_known_streams_and_leave_paging_alone() {
        let params = |params: Value| settings(json!({ "list_params": params }));
        let good = params(json!({"invoices": {"status": "open", "x": 1}})).unwrap();
        assert_eq!(good.wishes.list_params["invoices"]["x"], "1");
        assert!(params(json!({"invocies": {}})).unwrap_err().contains("no such stream"));
        let paging = params(json!({"invoices": {"created[gte]": 1}}));
        assert!(paging.unwrap_err().contains("belongs to paging"));
        assert!(params(json!({"invoices": {"x": []}})).unwrap_err().contains("is no text"));
    }
}

//! Whether a key works, and which streams it can read.

use std::fmt;
use std::sync::Arc;

use connector::{Emitter, Error};
use futures_util::{StreamExt as _, stream};
use protocol::{Class, ConfiguredCatalog, Level, Log, Timestamp};
use serde_json::json;
use stripe_api::{Catalogue, KeyedStream, StreamFacts};

use crate::backfill::Keyed;
use crate::client::{Call, Client};
use crate::errors::{Failure, permission_named};
use crate::page::{Frame, Page, Stamp};
use crate::walk::{Lists, Walk};

/// Streams that are asked at the same time.
const AT_ONCE: usize = 8;
/// What nobody reads is stamped with.
const STAMP: Stamp = Stamp { updated_at: 0, emitted_at: Timestamp::EPOCH };

/// How many streams came to what.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    asked: usize,
    ok: usize,
    denied: usize,
    unavailable: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} streams can be read", self.ok, self.asked)?;
        let other = self.asked.saturating_sub(self.ok + self.denied + self.unavailable);
        let rest = [
            (self.denied, "lack a permission"),
            (self.unavailable, "are not enabled"),
            (other, "failed"),
        ];
        rest.iter()
            .filter(|(count, _)| *count > 0)
            .try_for_each(|(count, what)| write!(f, ", {count} {what}"))
    }
}

/// Asks each stream for one object, and tells stream by stream what came.
///
/// # Errors
///
/// When the connection failed as a whole.
pub(crate) async fn probe(
    client: &Client,
    catalogue: &'static Catalogue,
    catalog: &ConfiguredCatalog,
    out: &mut Emitter,
) -> Result<Tally, Error> {
    let names = catalog.streams.iter().map(|configured| configured.stream.name.as_str());
    let mut answers = stream::iter(names)
        .map(async |name| (name, ask(client, catalogue, name).await))
        .buffered(AT_ONCE);
    let mut tally = Tally::default();
    while let Some((name, answer)) = answers.next().await {
        tally.asked += 1;
        tally.ok += usize::from(answer.is_ok());
        tally.denied += usize::from(matches!(answer, Err(Failure::Denied(_))));
        tally.unavailable += usize::from(matches!(answer, Err(Failure::Unavailable(_))));
        out.tell(verdict(name, answer)?).await?;
    }
    Ok(tally)
}

async fn ask(client: &Client, catalogue: &'static Catalogue, name: &str) -> Result<(), Failure> {
    if let Some(keyed) = catalogue.keyed(name) {
        return ask_first_parent(client, catalogue, keyed).await;
    }
    // A child comes with its parent.
    let child = catalogue.child(name).map(|child| child.parent.as_str());
    let Some(facts) = catalogue.list(child.unwrap_or(name)) else {
        let error = Error::config(format!("`{name}`: there is no such stream"))
            .hint("`source-stripe discover` lists those that there are");
        return Err(Failure::Stream(error));
    };
    one(client, name, facts).await.map(|_page| ())
}

/// Asks for the list of one parent, if there is a parent.
async fn ask_first_parent(
    client: &Client,
    catalogue: &'static Catalogue,
    keyed: &'static KeyedStream,
) -> Result<(), Failure> {
    let Some(facts) = catalogue.list(&keyed.parent) else { return Ok(()) };
    let page = one(client, &keyed.parent, facts).await?;
    let frame = Frame::new(&keyed.facts.name, "", None);
    let keyed = Keyed { stream: keyed, params: Vec::new(), is_known: false };
    let lists = Arc::new(Lists::new(&keyed, frame, false));
    Walk::new(lists, page, STAMP, Some(1)).go_on(client).await.map(|_stage| ())
}

/// A page of one object.
async fn one(client: &Client, name: &str, facts: &StreamFacts) -> Result<Page, Failure> {
    let mut query = facts.fixed_params.clone();
    if facts.accepts.limit {
        query.push(("limit".to_owned(), "1".to_owned()));
    }
    let frame = Frame::new(name, "", None);
    let call = Call::list(name, &facts.path, query);
    client.get(&call, |reply| Page::read(&reply.body, &frame, STAMP)).await
}

/// What came, for people; `data` says of a stream that cannot be read why, as failures are classed.
fn verdict(name: &str, answer: Result<(), Failure>) -> Result<Log, Error> {
    let log = |level, text: String| Log::new(level, format!("`{name}`: {text}"));
    let missing = |level, class: Class, text| {
        let data = [("stream", json!(name)), ("class", json!(class))];
        let data = data.map(|(key, value)| (key.to_owned(), value)).into_iter().collect();
        Log { data: Some(data), ..log(level, text) }
    };
    Ok(match answer {
        Ok(()) => log(Level::Info, "ok".to_owned()),
        Err(Failure::Denied(reason)) => {
            let which = permission_named(&reason);
            let which = which.map(|permission| format!(" `{permission}`")).unwrap_or_default();
            let text = format!("permission{which} missing: {reason}");
            missing(Level::Warn, Class::Permission, text)
        }
        Err(Failure::Unavailable(reason)) => log(Level::Warn, format!("not enabled: {reason}")),
        Err(Failure::Stream(error)) => missing(Level::Error, error.class(), error.report()),
        Err(Failure::Connection(error)) => return Err(error),
        Err(Failure::NoCallsLeft) => {
            log(Level::Warn, "not asked: `max_api_calls` requests were made".to_owned())
        }
        Err(Failure::CursorGone | Failure::Gone | Failure::TooLarge) => {
            missing(Level::Error, Class::Data, "a cursor is refused".to_owned())
        }
    })
}

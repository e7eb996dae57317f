//! Lines on stdin: states that the destination has confirmed, and events.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use connector::{Error, Input, Stop};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use protocol::{Kind, Line, Secret, StateScope, excerpt};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot, watch};

use super::counts::{Counts, Fate};
use super::delivery::{Delivery, Outcome, Via};
use super::signature;
use crate::client::Client;

/// Events from stdin whose outcome is not known yet.
const OPEN: usize = 256;

/// The latest state of the source as a whole that is confirmed; none before the first.
pub(crate) type Confirmed = Option<Box<RawValue>>;

/// What a line on stdin says.
#[derive(Debug)]
enum Said {
    /// The state of the source as a whole is confirmed.
    Global(Box<RawValue>),
    /// Something happened: the event, as it came.
    Happened(Bytes),
    /// Nothing that concerns us.
    Nothing,
}

/// Why a line on stdin cannot be taken; no word of what stands in it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum NotTaken {
    /// Nobody can say what the lines after it are.
    #[error("it is no JSON object")]
    NotJson,
    /// It is no event of Stripe's.
    #[error("{0}")]
    Refused(String),
}

/// A webhook as whoever received it passes it on.
#[derive(Deserialize)]
struct Passed<'a> {
    #[serde(borrow)]
    body: Option<Cow<'a, str>>,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    signature: Option<String>,
}

/// Hears which states are confirmed, until the end of stdin; everything else on it is passed over.
pub(crate) async fn hear(mut input: Input, confirmed: watch::Sender<Confirmed>) {
    loop {
        match input.next().await {
            Ok(Some(line)) => {
                if let Ok(Said::Global(data)) = read(line, &[]) {
                    confirmed.send_replace(Some(data));
                }
            }
            Ok(None) => return,
            Err(error) => return tracing::warn!("{}", error.report()),
        }
    }
}

/// Brings the events on stdin, until its end.
pub(crate) struct Feed {
    /// What comes in.
    pub(crate) input: Input,
    /// Any of them may have signed what is passed on.
    pub(crate) secrets: Vec<Secret>,
    /// The way to the read loop, until the end of stdin.
    pub(crate) deliveries: Option<mpsc::Sender<Delivery>>,
    /// Tells the latest confirmed state.
    pub(crate) confirmed: watch::Sender<Confirmed>,
    /// What became of events.
    pub(crate) counts: Arc<Counts>,
    /// Takes words for people.
    pub(crate) client: Arc<Client>,
}

impl Feed {
    /// Brings every event until a stop is asked for, and hears what becomes of each.
    ///
    /// # Errors
    ///
    /// When a line is cut off or is no JSON object: what came before it was brought.
    pub(crate) async fn run(mut self, stop: Stop) -> Result<(), Error> {
        let mut open = FuturesUnordered::new();
        let ended = loop {
            tokio::select! {
                () = stop.requested() => break Ok(()),
                Some((line, outcome)) = open.next() => self.settle(line, outcome),
                event = self.next(), if open.len() < OPEN => match event {
                    Ok(Some(event)) => {
                        let (line, outcome) = self.bring(event).await;
                        open.push(async move { (line, outcome.await.ok()) });
                    }
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                },
            }
        };
        // The read loop ends when it has taken the last one.
        self.deliveries.take();
        while let Some((line, outcome)) = open.next().await {
            self.settle(line, outcome);
        }
        ended
    }

    /// The next event; all else is dealt with on the way.
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while let Some(line) = self.input.next().await? {
            match read(line, &self.secrets) {
                Ok(Said::Happened(event)) => return Ok(Some(event)),
                Ok(Said::Global(state)) => {
                    self.confirmed.send_replace(Some(state));
                }
                Ok(Said::Nothing) => {}
                Err(NotTaken::NotJson) => {
                    let shown = excerpt(line);
                    let number = self.input.line_number();
                    return Err(Error::data(format!(
                        "reading stdin: line {number} is no JSON object: `{shown}`"
                    )));
                }
                Err(NotTaken::Refused(why)) => self.refuse(self.input.line_number(), &why),
            }
        }
        Ok(None)
    }

    async fn bring(&mut self, event: Bytes) -> (u64, oneshot::Receiver<Outcome>) {
        let (delivery, outcome) = Delivery::new(event, Via::Stdin);
        if let Some(deliveries) = &self.deliveries
            && deliveries.send(delivery).await.is_err()
        {
            tracing::debug!("nobody takes events any more");
        }
        (self.input.line_number(), outcome)
    }

    fn settle(&self, line: u64, outcome: Option<Outcome>) {
        match outcome {
            Some(Outcome::Refused(why)) => self.refuse(line, &why),
            outcome => {
                self.counts.add(Fate::of(outcome.as_ref()));
            }
        }
    }

    fn refuse(&self, line: u64, why: &str) {
        self.counts.add(Fate::Refused);
        self.client.tell(format!("line {line} on stdin was refused: {why}"));
    }
}

fn read(line: &[u8], secrets: &[Secret]) -> Result<Said, NotTaken> {
    let text = std::str::from_utf8(line).map_err(|_| NotTaken::NotJson)?;
    let is_object = text.trim_start().starts_with('{');
    if !is_object || serde_json::from_str::<IgnoredAny>(text).is_err() {
        return Err(NotTaken::NotJson);
    }
    let Ok(message) = Line::parse(line) else { return event(text, secrets) };
    match (message.kind, message.source_input()) {
        (Kind::SourceState, _) => Ok(match message.state() {
            Ok(state) if state.scope == StateScope::Global => Said::Global(state.data),
            Ok(_) | Err(_) => Said::Nothing,
        }),
        (Kind::SourceInput, Some(event_text)) => event(event_text.get(), secrets),
        _ => event(text, secrets),
    }
}

/// An event as it is, or as somebody passes it on: then its signature must be good, whenever it was
/// made.
fn event(text: &str, secrets: &[Secret]) -> Result<Said, NotTaken> {
    let passed = serde_json::from_str::<Passed<'_>>(text);
    let Ok(Passed { body: Some(body), headers, signature }) = passed else {
        return Ok(Said::Happened(Bytes::copy_from_slice(text.as_bytes())));
    };
    let signature = signature.or_else(|| header(&headers)).unwrap_or_default();
    signature::signed_at(&signature, body.as_bytes(), secrets)
        .map_err(|why| NotTaken::Refused(why.to_string()))?;
    Ok(Said::Happened(Bytes::from(body.into_owned())))
}

/// The signature among headers: a text, or a list that begins with it.
fn header(headers: &BTreeMap<String, Value>) -> Option<String> {
    let (_, value) =
        headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(signature::HEADER))?;
    let value = value.get(0).unwrap_or(value);
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
#[path = "stdin_tests.rs"]
mod tests;

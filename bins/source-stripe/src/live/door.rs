//! What becomes of one request to the listener, and the status that says so.

use std::sync::Arc;
use std::time::Duration;

use connector::Stop;
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use protocol::Secret;
use serde::de::IgnoredAny;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::body::{self, NotRead, Whole};
use super::counts::{Counts, Fate};
use super::delivery::{Delivery, Outcome, Via};
use super::signature;
use super::stripe_time::{Clock, StripeTime};

/// The path that says whether we listen.
const HEALTH: &str = "/health";

/// What those who connect may take of us together and each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Longest time for the head of a request, and between two requests of one connection.
    pub(crate) head: Duration,
    /// Longest time for the body after it.
    pub(crate) body: Duration,
    /// Longest time until the destination has confirmed; Stripe waits about as long.
    pub(crate) confirmation: Duration,
    /// Connections at once; more wait until one of these ends.
    pub(crate) connections: usize,
    /// Bytes of all bodies that are being read or waiting.
    pub(crate) memory: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            body: Duration::from_secs(20),
            confirmation: Duration::from_secs(20),
            connections: 512,
            memory: 16 * 1024 * 1024,
        }
    }
}

/// Takes words for people.
pub(crate) type Tell = Box<dyn Fn(String) + Send + Sync>;

/// Lets in what Stripe sends, and nothing else.
pub(crate) struct Door {
    /// The path for webhooks.
    pub(crate) path: String,
    /// Any of them may have signed.
    pub(crate) secrets: Vec<Secret>,
    /// Stripe's time.
    pub(crate) time: StripeTime,
    /// Where to say that something is wrong.
    pub(crate) tell: Tell,
    /// The way to the read loop.
    pub(crate) deliveries: mpsc::Sender<Delivery>,
    /// What those who connect may take.
    pub(crate) bounds: Bounds,
    /// Says when to close.
    pub(crate) stop: Stop,
    /// What became of events so far.
    pub(crate) counts: Arc<Counts>,
    room: Arc<Semaphore>,
}

/// The answer to a request: a status, and a line for who looks at it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The status.
    pub(crate) status: StatusCode,
    /// Why.
    pub(crate) text: String,
}

impl Reply {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Kept => Self::new(StatusCode::OK, "kept"),
            Outcome::NotOurs => Self::new(StatusCode::OK, "of no stream that is read"),
            Outcome::Refused(why) => Self::bad(why),
        }
    }

    fn bad(why: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, why.to_string())
    }

    fn later(why: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, why)
    }
}

impl From<NotRead> for Reply {
    fn from(why: NotRead) -> Self {
        let status = match why {
            NotRead::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            NotRead::Cut => StatusCode::BAD_REQUEST,
            NotRead::Slow => StatusCode::REQUEST_TIMEOUT,
            NotRead::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, why.to_string())
    }
}

impl Door {
    /// A door for what is signed with one of `secrets` and comes to `path`.
    pub(crate) fn new(
        (path, secrets): (String, Vec<Secret>),
        (clock, tell): (Arc<dyn Clock>, Tell),
        bounds: Bounds,
        (deliveries, counts): (mpsc::Sender<Delivery>, Arc<Counts>),
        stop: Stop,
    ) -> Self {
        let room = Arc::new(Semaphore::new(bounds.memory));
        let time = StripeTime::new(clock);
        Self { path, secrets, time, tell, deliveries, bounds, stop, counts, room }
    }

    /// Answers a request.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Reply {
        let path = request.uri().path();
        match *request.method() {
            Method::GET | Method::HEAD if path == HEALTH => self.health(),
            _ if path != self.path => {
                let text = format!("nothing is here; webhooks are taken at {}", self.path);
                Reply::new(StatusCode::NOT_FOUND, text)
            }
            Method::POST => self.count(self.take(request).await),
            _ => Reply::new(StatusCode::METHOD_NOT_ALLOWED, "webhooks come by POST"),
        }
    }

    fn health(&self) -> Reply {
        if self.stop.is_requested() {
            return Reply::later("stopping");
        }
        Reply::new(StatusCode::OK, "ok")
    }

    async fn take(&self, request: Request<Incoming>) -> Result<Outcome, Reply> {
        let (head, body) = request.into_parts();
        let Whole { bytes, _share } = body::read(body, &self.room, self.bounds.body).await?;
        let signed = head.headers.get(signature::HEADER).and_then(|value| value.to_str().ok());
        let signed = signature::signed_at(signed.unwrap_or_default(), &bytes, &self.secrets)
            .map_err(Reply::bad)?;
        let now = self.time.now(signed).await.ok_or_else(|| Reply::later("starting"))?;
        signature::in_time(signed, now).map_err(Reply::bad)?;
        if !is_object(&bytes) {
            return Err(Reply::bad("the body is no JSON object"));
        }
        let (delivery, outcome) = Delivery::new(bytes, Via::Webhook);
        if self.stop.is_requested() || self.deliveries.try_send(delivery).is_err() {
            return Err(Reply::later("too much is waiting; it may come again"));
        }
        match timeout(self.bounds.confirmation, outcome).await {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(_)) => Err(Reply::later("stopping; it may come again")),
            Err(_) => Err(Reply::later("not confirmed in time; it may come again")),
        }
    }

    fn count(&self, taken: Result<Outcome, Reply>) -> Reply {
        let (fate, reply) = match taken {
            Ok(outcome) => (Fate::of(Some(&outcome)), Reply::of(outcome)),
            Err(reply) if reply.status.is_server_error() => (Fate::PutOff, reply),
            Err(reply) => (Fate::Refused, reply),
        };
        let so_far = self.counts.add(fate);
        if let Some(text) = word(fate, so_far, &reply.text) {
            (self.tell)(text);
        }
        reply
    }
}

/// What a person should know of a webhook that was not taken: of the first, the tenth, the hundredth.
fn word(fate: Fate, so_far: u64, why: &str) -> Option<String> {
    let is_round = so_far == 10_u64.pow(so_far.checked_ilog10()?);
    let (became, hint) = match fate {
        Fate::Kept | Fate::NotOurs => return None,
        Fate::Refused => ("refused", "if Stripe sent them, check `webhook_secret` and the proxy"),
        Fate::PutOff => ("put off", "Stripe brings them again"),
    };
    is_round
        .then(|| format!("{so_far} webhooks were {became} so far, the last because {why}; {hint}"))
}

fn is_object(body: &[u8]) -> bool {
    let text = std::str::from_utf8(body).unwrap_or_default().trim_start();
    text.starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_the_tenth_and_the_hundredth_are_told() {
        let told = |fate| (0..=100).filter(|count| word(fate, *count, "x").is_some()).collect();
        let rounds: Vec<u64> = told(Fate::Refused);
        assert_eq!(rounds, [1, 10, 100]);
        assert_eq!(told(Fate::PutOff), rounds);
        assert_eq!(told(Fate::Kept), Vec::<u64>::new());
    }
}

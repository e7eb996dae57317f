//! An event that was brought, and the answer that its bringer waits for.

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

/// Deliveries that may wait until the read loop takes them. A bringer that finds no room refuses at
/// once: what it refuses comes again, from Stripe or with the next poll.
const WAITING: usize = 256;

/// How an event came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    /// By a webhook with a good signature.
    Webhook,
    /// In a line on stdin.
    Stdin,
    /// Through the WebSocket of the Stripe CLI.
    Socket,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It needs never come again: the destination has confirmed it, or, where nothing is confirmed,
    /// its lines are written.
    Kept,
    /// It is none of ours: no stream of the catalog, or another account. It needs never come again.
    NotOurs,
    /// It is no event; the text says why, without saying what stands in it.
    Refused(String),
}

/// An event that was brought.
///
/// The read loop takes it from [`Deliveries`], and sends exactly one [`Outcome`] to `answer` as soon
/// as that is known, in any order. One that is dropped without an answer counts as not kept: its
/// bringer says so, and Stripe brings it again. A bringer that has gone meanwhile is no fault.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// The event, JSON as it came: an object, known to be well-formed, of at most 5 MiB.
    pub(crate) body: Bytes,
    /// How it came.
    pub(crate) via: Via,
    /// Takes what became of it.
    pub(crate) answer: oneshot::Sender<Outcome>,
}

impl Delivery {
    /// An event, and where its bringer hears what became of it.
    pub(crate) fn new(body: Bytes, via: Via) -> (Self, oneshot::Receiver<Outcome>) {
        let (answer, outcome) = oneshot::channel();
        (Self { body, via, answer }, outcome)
    }
}

/// Where the read loop takes deliveries from; it ends when nothing can bring any more.
pub(crate) type Deliveries = mpsc::Receiver<Delivery>;

/// The bounded way from those who bring to the read loop.
pub(crate) fn channel() -> (mpsc::Sender<Delivery>, Deliveries) {
    mpsc::channel(WAITING)
}

//! Who watches a run: a terminal, a program that reads NDJSON.

use std::future::Future;
use std::io;

use protocol::{Message, Timestamp, stamp_line};

use crate::pipeline::Account;

/// A message on its way to whoever watches. States come here only after they were saved.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Who said it: `source/stripe`, `destination/postgres`, `engine`.
    pub emitted_by: &'a str,
    /// When the engine saw it.
    pub ts: Timestamp,
    /// What was said; `None` for a type that this version does not know.
    pub message: Option<&'a Message>,
    /// The line as it came, when it came from a connector.
    pub raw: Option<&'a [u8]>,
}

impl Shown<'_> {
    /// The message as one stamped line, `\n` included.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        let mut encoded = Vec::new();
        let raw = self.raw.unwrap_or_else(|| {
            if let Some(message) = self.message {
                message.encode(&mut encoded);
            }
            encoded.strip_suffix(b"\n").unwrap_or(&encoded)
        });
        // What passed the gate was stamped there, and a destination keeps what it does not know.
        let stamped = memchr::memmem::find(raw, br#""_emitted_by":"#).is_some();
        let mut line =
            if stamped { raw.to_vec() } else { stamp_line(raw, self.emitted_by, self.ts) };
        line.push(b'\n');
        line
    }
}

/// What is about to happen.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The pipeline's name.
    pub pipeline: String,
    /// The source's type.
    pub source: String,
    /// Whose data it is.
    pub account: Account,
    /// Where it goes, without secrets.
    pub destination: String,
    /// Where state is kept.
    pub store: String,
    /// Streams of the run.
    pub stream_count: usize,
    /// Streams that go on from a state.
    pub resumed_count: usize,
    /// Whether it goes on until it is stopped.
    pub follow: bool,
    /// Whether a limit on records may end streams before all of their time is read.
    pub is_limited: bool,
}

/// Whoever watches.
pub trait Client: Send {
    /// Is told what goes where, before the first record moves.
    ///
    /// # Errors
    ///
    /// When nobody listens any more; the run is then stopped.
    fn open(&mut self, opening: &Opening) -> impl Future<Output = io::Result<()>> + Send;

    /// Is shown a message.
    ///
    /// # Errors
    ///
    /// When nobody listens any more; the run is then stopped.
    fn show(&mut self, shown: Shown<'_>) -> impl Future<Output = io::Result<()>> + Send;
}

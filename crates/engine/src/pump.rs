//! The pump: a source's output through the gate into a destination's input.
//!
//! Lines are collected while more are ready and written in one piece, so that a record costs a copy
//! and no wake-up. A full pipe waits here: that is all the back-pressure there is.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};

use protocol::ndjson::{FrameError, Reader};
use protocol::{Timestamp, excerpt};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use crate::gate::{Gate, Note};
use crate::sent::Sent;

/// Bytes written at once.
const CHUNK: usize = 256 * 1024;

/// Why the pump stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PumpEnd {
    /// The source ended between two lines.
    Clean,
    /// The source ended inside a line.
    Cut(String),
    /// The source wrote something that is no message.
    Garbled(String),
    /// The destination takes no more.
    Closed,
}

/// A pump that stopped.
#[derive(Debug)]
pub(crate) struct Pumped {
    /// The gate with its counts.
    pub(crate) gate: Gate,
    /// Why it stopped.
    pub(crate) end: PumpEnd,
}

/// What a pump did so far, for whoever watches for silence.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// Pieces that came from the source.
    pub(crate) taken: AtomicU64,
    /// Pieces that the destination took.
    pub(crate) given: AtomicU64,
    /// States among them.
    pub(crate) states: AtomicU64,
    /// Whether the destination has one before it now.
    pub(crate) waiting: AtomicBool,
}

/// Whom a pump tells what it does.
#[derive(Debug)]
pub(crate) struct Reports {
    /// What the gate noticed.
    pub(crate) notes: mpsc::Sender<Note>,
    /// What was moved.
    pub(crate) activity: Arc<Activity>,
    /// The states among it.
    pub(crate) sent: Arc<Sent>,
}

/// Runs until either side ends, then closes both pipes.
pub(crate) async fn pump(
    mut from: Reader<impl AsyncRead + Unpin>,
    mut gate: Gate,
    mut to: impl AsyncWrite + Unpin,
    reports: Reports,
    now: fn() -> Timestamp,
) -> Pumped {
    let mut chunk = Vec::with_capacity(CHUNK);
    let end = loop {
        match fill(&mut from, &mut gate, &mut chunk, now()).await {
            Filled::Full => {}
            Filled::End(end) => break end,
        }
        reports.activity.taken.fetch_add(1, Relaxed);
        if !deliver(&mut gate, &mut chunk, &mut to, &reports).await {
            break PumpEnd::Closed;
        }
    };
    // What came before a bad line is good, and goes on.
    let delivered =
        end == PumpEnd::Closed || deliver(&mut gate, &mut chunk, &mut to, &reports).await;
    let closed = to.shutdown().await.is_ok();
    let end = if end == PumpEnd::Clean && !(delivered && closed) { PumpEnd::Closed } else { end };
    Pumped { gate, end }
}

enum Filled {
    Full,
    End(PumpEnd),
}

/// Takes lines until the chunk is full or the next one would have to be waited for.
async fn fill(
    from: &mut Reader<impl AsyncRead + Unpin>,
    gate: &mut Gate,
    chunk: &mut Vec<u8>,
    now: Timestamp,
) -> Filled {
    loop {
        let line = match from.next().await {
            Ok(Some(line)) => line,
            Ok(None) => return Filled::End(PumpEnd::Clean),
            Err(error @ FrameError::Cut { .. }) => {
                return Filled::End(PumpEnd::Cut(error.to_string()));
            }
            Err(error) => return Filled::End(PumpEnd::Garbled(crate::failure::chain(&error))),
        };
        if let Err(error) = gate.pass(line, now, chunk) {
            let head = excerpt(line);
            let number = from.line_number();
            return Filled::End(PumpEnd::Garbled(format!("line {number}: {error}: `{head}`")));
        }
        if chunk.len() >= CHUNK || !from.has_line() {
            return Filled::Full;
        }
    }
}

/// Says what was noticed and what comes, then writes the chunk; says whether it could be written.
async fn deliver(
    gate: &mut Gate,
    chunk: &mut Vec<u8>,
    to: &mut (impl AsyncWrite + Unpin),
    reports: &Reports,
) -> bool {
    for note in gate.take_notes() {
        // Nobody hears it when the run is being torn down.
        reports.notes.send(note).await.ok();
    }
    reports.sent.push(gate.take_states());
    let activity = &reports.activity;
    activity.waiting.store(true, Relaxed);
    let written = to.write_all(chunk).await.is_ok() && to.flush().await.is_ok();
    activity.waiting.store(false, Relaxed);
    activity.given.fetch_add(1, Relaxed);
    activity.states.store(gate.state_count(), Relaxed);
    chunk.clear();
    // One huge record must not stay as memory.
    chunk.shrink_to(CHUNK.saturating_mul(2));
    written
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    async fn pumped(input: &str) -> (PumpEnd, String) {
        let stream = json!({"name": "a", "primary_key": [["id"]], "newer_than_field": "u"});
        let catalog = serde_json::from_value(json!({"streams": [{"stream": stream}]})).unwrap();
        let gate = Gate::new(&catalog, "source/test");
        let (sender, mut receiver) = mpsc::channel(64);
        let mut out = Vec::new();
        let from = Reader::new(input.as_bytes());
        let reports = Reports { notes: sender, activity: Arc::default(), sent: Arc::default() };
        let pumped = pump(from, gate, &mut out, reports, || Timestamp::EPOCH).await;
        while receiver.recv().await.is_some() {}
        (pumped.end, String::from_utf8(out).unwrap())
    }

    const GOOD: &str =
        r#"{"type":"record","record":{"stream":"a","data":{"id":"1"},"emitted_at":"t"}}"#;

    #[tokio::test]
    async fn what_came_before_a_bad_line_goes_on() {
        let (end, out) =
            pumped(&format!("{GOOD}\n\n{GOOD}\nRuntimeError: sk_live_abcdefgh1234\n{GOOD}\n"))
                .await;
        assert_eq!(out, format!("{GOOD}\n{GOOD}\n"));
        let PumpEnd::Garbled(why) = end else { panic!("{end:?}") };
        assert!(why.starts_with("line 4: not a protocol message"), "{why}");
        assert!(why.ends_with("`RuntimeError: sk_live_…1234`"), "{why}");
    }

    #[tokio::test]
    async fn a_cut_line_is_no_clean_end() {
        let (end, out) = pumped(&format!("{GOOD}\n{{\"type\":\"rec")).await;
        assert_eq!(out, format!("{GOOD}\n"));
        assert!(matches!(end, PumpEnd::Cut(_)), "{end:?}");
        assert_eq!(pumped(&format!("{GOOD}\n")).await.0, PumpEnd::Clean);
    }

    #[tokio::test]
    async fn a_destination_that_has_gone_stops_the_pump() {
        let stream = json!({"name": "a", "primary_key": [["id"]], "newer_than_field": "u"});
        let catalog = serde_json::from_value(json!({"streams": [{"stream": stream}]})).unwrap();
        let (near, far) = tokio::io::duplex(16);
        drop(far);
        let (sender, _receiver) = mpsc::channel(64);
        let input = format!("{GOOD}\n").repeat(3);
        let from = Reader::new(input.as_bytes());
        let gate = Gate::new(&catalog, "source/test");
        let reports = Reports { notes: sender, activity: Arc::default(), sent: Arc::default() };
        let pumped = pump(from, gate, near, reports, || Timestamp::EPOCH).await;
        assert_eq!(pumped.end, PumpEnd::Closed);
    }
}

//! The pump: a source's output through the gate into a destination's input.
//!
//! Lines are collected while more are ready and written in one piece, so that a record costs a copy
//! and no wake-up. A full pipe waits here: that is all the back-pressure there is.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};

use protocol::ndjson::{FrameError, Reader};
use protocol::{StateMessage, Timestamp, excerpt};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};

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
    /// What the source opened with could not be saved: nothing of it may go on.
    Unsaved,
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
    /// What the source opens with, where somebody saves it.
    pub(crate) openings: Option<mpsc::Sender<Opening>>,
}

/// A state of the source as a whole that no record came before: it covers nothing that has yet to
/// become durable. It is saved before a record goes on, so that whoever dies leaves no rows of which
/// nobody knows from when on their changes have to be read.
#[derive(Debug)]
pub(crate) struct Opening {
    /// The state.
    pub(crate) state: StateMessage,
    /// Told once it is saved, dropped when it cannot be.
    pub(crate) saved: oneshot::Sender<()>,
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
        if let Err(end) = deliver(&mut gate, &mut chunk, &mut to, &reports).await {
            break end;
        }
    };
    // What came before a bad line is good, and goes on.
    let delivered = match end {
        PumpEnd::Closed | PumpEnd::Unsaved => Ok(()),
        PumpEnd::Clean | PumpEnd::Cut(_) | PumpEnd::Garbled(_) => {
            deliver(&mut gate, &mut chunk, &mut to, &reports).await
        }
    };
    let closed = to.shutdown().await.map_err(|_broken| PumpEnd::Closed);
    let end = match (end, delivered.and(closed)) {
        (PumpEnd::Clean, Err(why)) => why,
        (end, _) => end,
    };
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

/// Says what was noticed and what comes, then writes the chunk.
async fn deliver(
    gate: &mut Gate,
    chunk: &mut Vec<u8>,
    to: &mut (impl AsyncWrite + Unpin),
    reports: &Reports,
) -> Result<(), PumpEnd> {
    for note in gate.take_notes() {
        // Nobody hears it when the run is being torn down.
        reports.notes.send(note).await.ok();
    }
    if let Some(state) = gate.take_opening() {
        save(state, reports).await?;
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
    if written { Ok(()) } else { Err(PumpEnd::Closed) }
}

/// Waits until what the source opened with is saved.
async fn save(state: StateMessage, reports: &Reports) -> Result<(), PumpEnd> {
    let Some(openings) = &reports.openings else { return Ok(()) };
    let (saved, told) = oneshot::channel();
    let opening = Opening { state, saved };
    openings.send(opening).await.map_err(|_nobody| PumpEnd::Unsaved)?;
    told.await.map_err(|_never| PumpEnd::Unsaved)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::AsyncReadExt as _;

    use super::*;

    fn gate() -> Gate {
        let stream = json!({"name": "a", "primary_key": [["id"]], "newer_than_field": "u"});
        let catalog = serde_json::from_value(json!({"streams": [{"stream": stream}]})).unwrap();
        Gate::new(&catalog, "source/test")
    }

    fn reports() -> (Reports, mpsc::Receiver<Note>, mpsc::Receiver<Opening>) {
        let ((notes, noted), (openings, opened)) = (mpsc::channel(64), mpsc::channel(1));
        let (activity, sent) = (Arc::default(), Arc::default());
        (Reports { notes, activity, sent, openings: Some(openings) }, noted, opened)
    }

    async fn pumped(input: &str) -> (PumpEnd, String) {
        let (reports, mut receiver, _openings) = reports();
        let mut out = Vec::new();
        let from = Reader::new(input.as_bytes());
        let pumped = pump(from, gate(), &mut out, reports, || Timestamp::EPOCH).await;
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
    async fn a_blank_line_holds_back_nothing_that_came_before_it() {
        let (mut source, from) = tokio::io::duplex(1024);
        let (to, mut destination) = tokio::io::duplex(1024);
        let (reports, _notes, _openings) = reports();
        let from = Reader::new(from);
        let talk = async {
            source.write_all(format!("{GOOD}\n\n").as_bytes()).await.unwrap();
            let mut line = vec![0; GOOD.len() + 1];
            destination.read_exact(&mut line).await.unwrap();
            drop(source);
            line
        };
        let pumping = pump(from, gate(), to, reports, || Timestamp::EPOCH);
        let (line, pumped) = tokio::join!(talk, pumping);
        assert_eq!(line, format!("{GOOD}\n").into_bytes());
        assert_eq!(pumped.end, PumpEnd::Clean);
    }

    #[tokio::test]
    async fn a_destination_that_has_gone_stops_the_pump() {
        let (near, far) = tokio::io::duplex(16);
        drop(far);
        let (reports, _notes, _openings) = reports();
        let input = format!("{GOOD}\n").repeat(3);
        let from = Reader::new(input.as_bytes());
        let pumped = pump(from, gate(), near, reports, || Timestamp::EPOCH).await;
        assert_eq!(pumped.end, PumpEnd::Closed);
    }

    const OPENING: &str =
        r#"{"type":"source_state","source_state":{"state_type":"global","data":7}}"#;

    /// What came out while the opening was not saved, and how it ended once it `is_saved` or not.
    async fn opened(is_saved: bool) -> (String, PumpEnd, String) {
        let (reports, _notes, mut openings) = reports();
        let (near, mut far) = tokio::io::duplex(1024);
        let input = format!("{OPENING}\n{GOOD}\n");
        let from = Reader::new(input.as_bytes());
        let pumping = pump(from, gate(), near, reports, || Timestamp::EPOCH);
        let heard = async {
            let Opening { state, saved } = openings.recv().await.unwrap();
            assert_eq!(state.data.get(), "7");
            let mut early = [0; 1024];
            let count = tokio::select! {
                biased;
                count = far.read(&mut early) => count.unwrap(),
                () = std::future::ready(()) => 0,
            };
            if is_saved {
                saved.send(()).unwrap();
            } else {
                drop(saved);
            }
            let mut rest = String::new();
            far.read_to_string(&mut rest).await.unwrap();
            (String::from_utf8(early[..count].to_vec()).unwrap(), rest)
        };
        let (pumped, (early, rest)) = tokio::join!(pumping, heard);
        (early, pumped.end, rest)
    }

    #[tokio::test]
    async fn nothing_goes_on_before_what_the_source_opened_with_is_saved() {
        let whole = format!("{OPENING}\n{GOOD}\n");
        assert_eq!(opened(true).await, (String::new(), PumpEnd::Clean, whole));
        assert_eq!(opened(false).await, (String::new(), PumpEnd::Unsaved, String::new()));
    }
}

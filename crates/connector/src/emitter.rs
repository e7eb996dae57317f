//! The way out: messages on stdout, buffered, flushed at every message that others wait for.

use std::collections::BTreeMap;

use protocol::{
    Catalog, Class, ConnectionStatus, Control, Level, Log, Message, Origin, Places, Record, Spec,
    StateMessage, StateScope, Status, StreamStatus, StreamStatusKind, TimeRange, Timestamp,
    Written,
};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::error::Error;

/// Bytes that are gathered before they are written.
const BUFFER: usize = 128 * 1024;

/// Writes messages, one a line. Records, and words about parts that were read, are buffered; any
/// other message flushes.
pub struct Emitter {
    out: Box<dyn AsyncWrite + Send + Unpin>,
    buffer: Vec<u8>,
    emitted: BTreeMap<String, u64>,
}

impl std::fmt::Debug for Emitter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emitter").field("buffered", &self.buffer.len()).finish_non_exhaustive()
    }
}

impl Emitter {
    /// An emitter that writes to `out`.
    pub fn new(out: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        Self { out: Box::new(out), buffer: Vec::with_capacity(BUFFER), emitted: BTreeMap::new() }
    }

    /// Emits one record; `data` is one JSON object on one line and is copied as it is.
    ///
    /// # Errors
    ///
    /// When stdout is closed or cannot be written.
    pub async fn record(
        &mut self,
        stream: &str,
        data: &RawValue,
        emitted_at: Timestamp,
        origin: Origin,
    ) -> Result<(), Error> {
        let record = Record {
            stream: stream.into(),
            data,
            emitted_at: emitted_at.to_string().into(),
            origin: Some(origin),
            prune: Vec::new(),
        };
        record.encode(&mut self.buffer);
        self.count(stream, 1);
        self.write_full_buffer().await
    }

    /// Emits record lines that the source has rendered itself, `count` of them, each with its `\n`.
    ///
    /// # Errors
    ///
    /// When stdout is closed or cannot be written.
    pub async fn record_lines(
        &mut self,
        stream: &str,
        lines: &[u8],
        count: u64,
    ) -> Result<(), Error> {
        self.count(stream, count);
        if self.buffer.len().saturating_add(lines.len()) < BUFFER {
            self.buffer.extend_from_slice(lines);
            return Ok(());
        }
        // So many need no gathering.
        self.write_buffer().await?;
        self.out.write_all(lines).await.map_err(write_error)
    }

    /// Emits the state of one stream, as it is at this moment, after everything emitted so far.
    ///
    /// # Errors
    ///
    /// When stdout is closed or cannot be written.
    pub async fn state(&mut self, stream: &str, data: &impl Serialize) -> Result<(), Error> {
        let emitted = Some(self.emitted.remove(stream).unwrap_or_default());
        let scope = StateScope::Stream(stream.to_owned());
        self.emit_state(scope, data, emitted).await
    }

    /// Emits the state of the source as a whole.
    ///
    /// # Errors
    ///
    /// When stdout is closed or cannot be written.
    pub async fn global_state(&mut self, data: &impl Serialize) -> Result<(), Error> {
        self.emit_state(StateScope::Global, data, None).await
    }

    /// Says that a stream is being read.
    ///
    /// # Errors
    ///
    /// When stdout is closed or cannot be written.
    pub async fn start(
        &mut self,
        stream: &str,
        time_range: Option<TimeRange>,
    ) -> Result<(), Error> {
        self.status(stream, StreamStatusKind::Start { time_range }, None).await
    }

    /// Says that a part of a stream has been read. Nobody decides anything by it, so it goes out
    /// with the state that follows.
    ///
    /// # Errors
    ///
    /// When stdout is closed or cannot be written.
    pub async fn range_complete(&mut self, stream: &str, range: TimeRange) -> Result<(), Error> {
        let kind = StreamStatusKind::RangeComplete { range_complete: range };
        let status = StreamStatus { stream: stream.to_owned(), kind, class: None };
        Message::StreamStatus(status).encode(&mut self.buffer);
        self.write_full_buffer().await
    }

    /// Says that a stream is done for this run.
    ///
    /// # Errors
    ///
    /// When stdout is closed or cannot be written.
    pub async fn complete(&mut self, stream: &str) -> Result<(), Error> {
        self.status(stream, StreamStatusKind::Complete, None).await
    }

    /// Says that a stream is not available to this account.
    ///
    /// # Errors
    ///
    /// When stdout is closed or cannot be written.
    pub async fn skip(&mut self, stream: &str, reason: impl Into<String>) -> Result<(), Error> {
        self.status(stream, StreamStatusKind::Skip { reason: reason.into() }, None).await
    }

    /// Says that a stream was tried and failed.
    ///
    /// # Errors
    ///
    /// When stdout is closed or cannot be written.
    pub async fn stream_error(&mut self, stream: &str, error: &Error) -> Result<(), Error> {
        let kind = StreamStatusKind::Error { error: error.report() };
        self.status(stream, kind, Some(error.class())).await
    }

    /// Emits a word for people.
    ///
    /// # Errors
    ///
    /// When stdout is closed or cannot be written.
    pub async fn log(&mut self, level: Level, message: impl Into<String>) -> Result<(), Error> {
        self.message(&Message::Log(Log::new(level, message))).await
    }

    /// Emits a word for people with what it carries beside: receipts, requests made, how fresh
    /// streams are (see [`Log`]).
    ///
    /// # Errors
    ///
    /// When stdout is closed or cannot be written.
    pub async fn tell(&mut self, log: Log) -> Result<(), Error> {
        self.message(&Message::Log(log)).await
    }

    /// Emits the identity of each stream's place, with a word for people.
    ///
    /// # Errors
    ///
    /// When stdout is closed or cannot be written.
    pub async fn places(&mut self, message: &str, places: Places) -> Result<(), Error> {
        let log = Log { places: Some(places), ..Log::new(Level::Info, message) };
        self.message(&Message::Log(log)).await
    }

    /// Emits a new configuration.
    ///
    /// # Errors
    ///
    /// When stdout is closed or cannot be written.
    pub async fn control(&mut self, control: Control) -> Result<(), Error> {
        self.message(&Message::Control(control)).await
    }

    pub(crate) async fn written(&mut self, written: Written) -> Result<(), Error> {
        let log =
            Log { written: Some(written), ..Log::new(Level::Info, "records after the last state") };
        self.message(&Message::Log(log)).await
    }

    pub(crate) async fn spec(&mut self, spec: Spec) -> Result<(), Error> {
        self.message(&Message::Spec(spec)).await
    }

    pub(crate) async fn catalog(&mut self, catalog: Catalog) -> Result<(), Error> {
        self.message(&Message::Catalog(catalog)).await
    }

    pub(crate) async fn succeeded(&mut self, message: Option<String>) -> Result<(), Error> {
        let status = ConnectionStatus { status: Status::Succeeded, message, class: None };
        self.message(&Message::ConnectionStatus(status)).await
    }

    pub(crate) async fn failed(&mut self, class: Class, message: String) -> Result<(), Error> {
        let status =
            ConnectionStatus { status: Status::Failed, message: Some(message), class: Some(class) };
        self.message(&Message::ConnectionStatus(status)).await
    }

    /// Passes a line on as it is; `line` has no `\n`.
    pub(crate) async fn line(&mut self, line: &[u8]) -> Result<(), Error> {
        self.buffer.extend_from_slice(line);
        self.buffer.push(b'\n');
        self.write_full_buffer().await
    }

    /// Writes out everything that was emitted.
    ///
    /// # Errors
    ///
    /// When stdout is closed or cannot be written.
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.write_buffer().await?;
        self.out.flush().await.map_err(write_error)
    }

    async fn status(
        &mut self,
        stream: &str,
        kind: StreamStatusKind,
        class: Option<Class>,
    ) -> Result<(), Error> {
        let status = StreamStatus { stream: stream.to_owned(), kind, class };
        self.message(&Message::StreamStatus(status)).await
    }

    async fn emit_state(
        &mut self,
        scope: StateScope,
        data: &impl Serialize,
        emitted: Option<u64>,
    ) -> Result<(), Error> {
        let data = serde_json::value::to_raw_value(data)
            .map_err(|error| Error::internal("writing a state").caused_by(error))?;
        self.message(&Message::SourceState(StateMessage { scope, data, emitted, written: None }))
            .await
    }

    async fn message(&mut self, message: &Message) -> Result<(), Error> {
        message.encode(&mut self.buffer);
        self.flush().await
    }

    fn count(&mut self, stream: &str, count: u64) {
        if let Some(emitted) = self.emitted.get_mut(stream) {
            *emitted = emitted.saturating_add(count);
        } else {
            self.emitted.insert(stream.to_owned(), count);
        }
    }

    async fn write_full_buffer(&mut self) -> Result<(), Error> {
        if self.buffer.len() >= BUFFER { self.write_buffer().await } else { Ok(()) }
    }

    async fn write_buffer(&mut self) -> Result<(), Error> {
        self.out.write_all(&self.buffer).await.map_err(write_error)?;
        self.buffer.clear();
        Ok(())
    }
}

fn write_error(error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        return Error::stdout_closed();
    }
    Error::internal("writing to stdout").caused_by(error)
}

//! Messages that are decoded whole, and how every message is written.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::record::Record;
use crate::state::{StateMessage, StateScope};
use crate::{
    Catalog, ConnectionStatus, Control, Eof, Log, Progress, Spec, StreamStatus, StreamStatusKind,
};

/// Any message but a record, which stays borrowed from its line (see [`Record`]).
#[derive(Debug, Clone)]
pub enum Message {
    /// A connector's description.
    Spec(Spec),
    /// Whether a connection works.
    ConnectionStatus(ConnectionStatus),
    /// A source's streams.
    Catalog(Catalog),
    /// How far the source got.
    SourceState(StateMessage),
    /// What happened to a stream.
    StreamStatus(StreamStatus),
    /// A new configuration.
    Control(Control),
    /// A word for people.
    Log(Log),
    /// Where a run stands.
    Progress(Progress),
    /// The end of a run.
    Eof(Box<Eof>),
}

impl Message {
    /// Appends the message as one line, `\n` included.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Spec(spec) => Line::new("spec", spec).end(out),
            Self::ConnectionStatus(status) => {
                Line::new("connection_status", status).with("_class", status.class).end(out);
            }
            Self::Catalog(catalog) => Line::new("catalog", catalog).end(out),
            Self::SourceState(state) => encode_state(state, out),
            Self::StreamStatus(status) => {
                let class = match status.kind {
                    StreamStatusKind::Error { .. } => status.class,
                    StreamStatusKind::Start { .. }
                    | StreamStatusKind::RangeComplete { .. }
                    | StreamStatusKind::Complete
                    | StreamStatusKind::Skip { .. } => None,
                };
                Line::new("stream_status", status).with("_class", class).end(out);
            }
            Self::Control(control) => Line::new("control", control).end(out),
            Self::Log(log) => Line::new("log", log)
                .with("_places", log.places.as_ref())
                .with("_written", log.written.as_ref())
                .with("_receipts", (!log.receipts.is_empty()).then_some(&log.receipts))
                .with("_requests", (!log.requests.is_empty()).then_some(&log.requests))
                .with("_up_to", (!log.up_to.is_empty()).then_some(&log.up_to))
                .end(out),
            Self::Progress(progress) => Line::new("progress", progress).end(out),
            Self::Eof(eof) => Line::new("eof", eof).end(out),
        }
    }
}

fn encode_state(state: &StateMessage, out: &mut Vec<u8>) {
    #[derive(Serialize)]
    struct Payload<'a> {
        state_type: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        stream: Option<&'a str>,
        data: &'a RawValue,
    }
    let (state_type, stream) = match &state.scope {
        StateScope::Stream(stream) => ("stream", Some(stream.as_str())),
        StateScope::Global => ("global", None),
    };
    Line::new("source_state", &Payload { state_type, stream, data: &state.data })
        .with("_emitted", state.emitted)
        .with("_written", state.written.as_ref())
        .end(out);
}

impl Record<'_> {
    /// Appends the record as one line, `\n` included; the bytes of `data` are copied, not read.
    ///
    /// `data` must be one line; [`RawValue`] from a line of the wire is.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"type":"record","record":{"stream":"#);
        append(out, &self.stream);
        out.extend_from_slice(br#","data":"#);
        out.extend_from_slice(self.data.get().as_bytes());
        out.extend_from_slice(br#","emitted_at":"#);
        append(out, &self.emitted_at);
        out.push(b'}');
        let mut line = Line { bytes: Vec::new() };
        line = line.with("_origin", self.origin);
        line = line.with("_prune", (!self.prune.is_empty()).then_some(&self.prune));
        line.end(out);
    }
}

/// A line while it is written: everything but the closing brace.
struct Line {
    bytes: Vec<u8>,
}

impl Line {
    fn new(type_name: &str, payload: &impl Serialize) -> Self {
        let mut bytes = format!(r#"{{"type":"{type_name}","{type_name}":"#).into_bytes();
        append(&mut bytes, payload);
        Self { bytes }
    }

    fn with<T: Serialize>(mut self, name: &str, value: Option<T>) -> Self {
        if let Some(value) = value {
            self.bytes.extend_from_slice(format!(r#","{name}":"#).as_bytes());
            append(&mut self.bytes, &value);
        }
        self
    }

    fn end(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes);
        out.extend_from_slice(b"}\n");
    }
}

#[expect(
    clippy::expect_used,
    reason = "types of this crate have string keys and cannot fail, and neither can a Vec"
)]
fn append(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    serde_json::to_writer(out, value).expect("a message of the wire is JSON");
}

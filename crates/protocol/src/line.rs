//! One line of the wire: its type, the span of its payload, and the optional fields around it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::message::Message;
use crate::record::{Record, RecordPayload};
use crate::state::{StateMessage, StateScope};
use crate::{
    Catalog, ConnectionStatus, Control, Eof, Log, Progress, Spec, StreamStatus, Timestamp,
};

/// The types a line may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One version of one object.
    Record,
    /// How far the source got.
    SourceState,
    /// What happened to a stream.
    StreamStatus,
    /// Whether a connection works.
    ConnectionStatus,
    /// A new configuration.
    Control,
    /// A word for people.
    Log,
    /// A connector's description.
    Spec,
    /// A source's streams.
    Catalog,
    /// Where a run stands.
    Progress,
    /// The end of a run.
    Eof,
    /// Something for a source's stdin.
    SourceInput,
    /// A type of a later protocol: passed on, in order.
    Unknown,
}

impl Kind {
    fn of(type_name: &str) -> Self {
        match type_name {
            "record" => Self::Record,
            "source_state" => Self::SourceState,
            "stream_status" => Self::StreamStatus,
            "connection_status" => Self::ConnectionStatus,
            "control" => Self::Control,
            "log" => Self::Log,
            "spec" => Self::Spec,
            "catalog" => Self::Catalog,
            "progress" => Self::Progress,
            "eof" => Self::Eof,
            "source_input" => Self::SourceInput,
            _ => Self::Unknown,
        }
    }
}

/// Why a line is no message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not one JSON object with a `type`.
    #[error("not a protocol message: {0}")]
    NotAMessage(serde_json::Error),
    /// The field named by `type` is missing.
    #[error("a `{0}` message without its `{0}` field")]
    NoPayload(String),
    /// The payload has not the shape its type says.
    #[error("a `{kind}` message that does not decode: {error}")]
    BadPayload {
        /// The line's `type`.
        kind: String,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// A type that is not expected where it came.
    #[error("a `{0}` message where none belongs")]
    Unexpected(String),
}

/// A line whose type is known and whose payload has not been looked into.
#[derive(Debug)]
pub struct Line<'a> {
    /// The line as it came, without its `\n`.
    pub raw: &'a [u8],
    /// Its type.
    pub kind: Kind,
    wire: Wire<'a>,
}

/// The envelope. Flat, because serde's tagged enums cannot carry raw values.
#[derive(Debug, Deserialize)]
struct Wire<'a> {
    #[serde(rename = "type", borrow)]
    type_name: Cow<'a, str>,
    #[serde(borrow)]
    record: Option<&'a RawValue>,
    #[serde(borrow)]
    source_state: Option<&'a RawValue>,
    #[serde(borrow)]
    stream_status: Option<&'a RawValue>,
    #[serde(borrow)]
    connection_status: Option<&'a RawValue>,
    #[serde(borrow)]
    control: Option<&'a RawValue>,
    #[serde(borrow)]
    log: Option<&'a RawValue>,
    #[serde(borrow)]
    spec: Option<&'a RawValue>,
    #[serde(borrow)]
    catalog: Option<&'a RawValue>,
    #[serde(borrow)]
    progress: Option<&'a RawValue>,
    #[serde(borrow)]
    eof: Option<&'a RawValue>,
    #[serde(borrow)]
    source_input: Option<&'a RawValue>,
    #[serde(borrow, rename = "_origin")]
    origin: Option<&'a RawValue>,
    #[serde(borrow, rename = "_prune")]
    prune: Option<&'a RawValue>,
    #[serde(borrow, rename = "_written")]
    written: Option<&'a RawValue>,
    #[serde(borrow, rename = "_emitted")]
    emitted: Option<&'a RawValue>,
    #[serde(borrow, rename = "_class")]
    class: Option<&'a RawValue>,
    #[serde(borrow, rename = "_places")]
    places: Option<&'a RawValue>,
    #[serde(borrow, rename = "_receipts")]
    receipts: Option<&'a RawValue>,
    #[serde(borrow, rename = "_requests")]
    requests: Option<&'a RawValue>,
    #[serde(borrow, rename = "_up_to")]
    up_to: Option<&'a RawValue>,
    #[serde(borrow, rename = "_ts")]
    ts: Option<&'a RawValue>,
}

impl<'a> Line<'a> {
    /// Finds type and payload of one line.
    ///
    /// # Errors
    ///
    /// When the line is not one JSON object with a `type`.
    pub fn parse(raw: &'a [u8]) -> Result<Self, DecodeError> {
        // Checked here, because what is skipped as unknown would not be.
        let text = std::str::from_utf8(raw)
            .map_err(|error| DecodeError::NotAMessage(serde::de::Error::custom(error)))?;
        let wire: Wire<'a> = serde_json::from_str(text).map_err(DecodeError::NotAMessage)?;
        Ok(Self { raw, kind: Kind::of(&wire.type_name), wire })
    }

    /// The `type` as it was written.
    #[must_use]
    pub fn type_name(&self) -> &str {
        &self.wire.type_name
    }

    /// When the engine saw the message, from `_ts`.
    #[must_use]
    pub fn ts(&self) -> Option<Timestamp> {
        optional(self.wire.ts)
    }

    /// The record in this line.
    ///
    /// # Errors
    ///
    /// When the line is no record, or one without `stream` or `data`.
    pub fn record(&self) -> Result<Record<'a>, DecodeError> {
        let payload: RecordPayload<'a> = self.decode(self.wire.record)?;
        if !payload.data.get().starts_with('{') {
            return Err(self.bad(serde::de::Error::custom("`data` is no object")));
        }
        Ok(Record {
            stream: payload.stream,
            data: payload.data,
            emitted_at: payload.emitted_at,
            origin: optional(self.wire.origin),
            prune: optional(self.wire.prune).unwrap_or_default(),
        })
    }

    /// The state in this line.
    ///
    /// # Errors
    ///
    /// When the line is no state, or one that names neither a stream nor `global`.
    pub fn state(&self) -> Result<StateMessage, DecodeError> {
        let payload: StatePayload<'a> = self.decode(self.wire.source_state)?;
        let scope = match (payload.state_type.as_deref(), payload.stream) {
            (None | Some("stream"), Some(stream)) => StateScope::Stream(stream.into_owned()),
            (Some("global"), _) => StateScope::Global,
            (Some("stream") | None, None) => {
                return Err(self.bad(serde::de::Error::missing_field("stream")));
            }
            (Some(other), Some(_) | None) => {
                let error = format!("`state_type` is `{other}`, neither `stream` nor `global`");
                return Err(self.bad(serde::de::Error::custom(error)));
            }
        };
        Ok(StateMessage {
            scope,
            data: payload.data.to_owned(),
            emitted: optional(self.wire.emitted),
            written: optional(self.wire.written),
        })
    }

    /// Any message but a record, decoded whole.
    ///
    /// # Errors
    ///
    /// When the payload does not decode, or the line is a record or of an unknown type.
    pub fn message(&self) -> Result<Message, DecodeError> {
        let wire = &self.wire;
        Ok(match self.kind {
            Kind::SourceState => Message::SourceState(self.state()?),
            Kind::StreamStatus => {
                let status: StreamStatus = self.decode(wire.stream_status)?;
                Message::StreamStatus(StreamStatus { class: optional(wire.class), ..status })
            }
            Kind::ConnectionStatus => {
                let status: ConnectionStatus = self.decode(wire.connection_status)?;
                let class = optional(wire.class);
                Message::ConnectionStatus(ConnectionStatus { class, ..status })
            }
            Kind::Control => Message::Control(self.decode::<Control>(wire.control)?),
            Kind::Log => {
                let log: Log = self.decode(wire.log)?;
                Message::Log(Log {
                    places: optional(wire.places),
                    written: optional(wire.written),
                    receipts: optional(wire.receipts).unwrap_or_default(),
                    requests: optional(wire.requests).unwrap_or_default(),
                    up_to: optional(wire.up_to).unwrap_or_default(),
                    ..log
                })
            }
            Kind::Spec => Message::Spec(self.decode::<Spec>(wire.spec)?),
            Kind::Catalog => Message::Catalog(self.decode::<Catalog>(wire.catalog)?),
            Kind::Progress => Message::Progress(self.decode::<Progress>(wire.progress)?),
            Kind::Eof => Message::Eof(Box::new(self.decode::<Eof>(wire.eof)?)),
            Kind::Record | Kind::SourceInput | Kind::Unknown => {
                return Err(DecodeError::Unexpected(self.type_name().to_owned()));
            }
        })
    }

    /// What a client sends to a source's stdin.
    #[must_use]
    pub const fn source_input(&self) -> Option<&'a RawValue> {
        self.wire.source_input
    }

    fn decode<T: Deserialize<'a>>(&self, payload: Option<&'a RawValue>) -> Result<T, DecodeError> {
        let payload = payload.ok_or_else(|| DecodeError::NoPayload(self.type_name().to_owned()))?;
        serde_json::from_str(payload.get()).map_err(|error| self.bad(error))
    }

    fn bad(&self, error: serde_json::Error) -> DecodeError {
        DecodeError::BadPayload { kind: self.type_name().to_owned(), error }
    }
}

#[derive(Deserialize)]
struct StatePayload<'a> {
    #[serde(borrow)]
    state_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    stream: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// An optional field in the shape we know; one in another shape is not ours, and is ignored.
fn optional<T: DeserializeOwned>(raw: Option<&RawValue>) -> Option<T> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
}

/// The stream of a record line in the form that we write, without reading the rest of the line.
///
/// `None` says nothing: the line is then read in full.
#[must_use]
pub fn peek_record_stream(line: &[u8]) -> Option<&str> {
    let rest = line.strip_prefix(br#"{"type":"record","record":{"stream":""#)?;
    let end = memchr::memchr2(b'"', b'\\', rest)?;
    let (name, after) = rest.split_at_checked(end)?;
    (after.starts_with(br#"","data":{"#) && line.ends_with(b"}"))
        .then(|| std::str::from_utf8(name).ok())
        .flatten()
}

/// The same line with who emitted it and when, in the envelope.
#[must_use]
pub fn stamp_line(line: &[u8], emitted_by: &str, ts: Timestamp) -> Vec<u8> {
    let line = unstamped(line.trim_ascii_end());
    let body = line.strip_suffix(b"}").unwrap_or(&line);
    let emitted_by = serde_json::Value::from(emitted_by);
    let mut out = Vec::with_capacity(line.len().saturating_add(96));
    out.extend_from_slice(body);
    out.extend_from_slice(format!(r#","_emitted_by":{emitted_by},"_ts":"{ts}"}}"#).as_bytes());
    out
}

/// A line without the two fields that are the engine's: a program may pass on what one wrote.
fn unstamped(line: &[u8]) -> Cow<'_, [u8]> {
    let is_there = |name: &&str| memchr::memmem::find(line, name.as_bytes()).is_some();
    if !STAMPS.iter().any(is_there) {
        return Cow::Borrowed(line);
    }
    let Ok(mut fields) = serde_json::from_slice::<BTreeMap<Cow<'_, str>, &RawValue>>(line) else {
        return Cow::Borrowed(line);
    };
    fields.retain(|name, _| !STAMPS.contains(&name.as_ref()));
    serde_json::to_vec(&fields).map_or(Cow::Borrowed(line), Cow::Owned)
}

const STAMPS: [&str; 2] = ["_emitted_by", "_ts"];

/// Bytes of a line that a report shows.
const SHOWN: usize = 200;

/// Bytes that are looked through for secrets: one that reaches over the end of what is shown must be
/// seen whole to be known for one.
const LOOKED_THROUGH: usize = 4096;

/// The first 200 bytes of a line for a report, secrets masked.
#[must_use]
pub fn excerpt(line: &[u8]) -> String {
    let head = line.get(..line.len().min(LOOKED_THROUGH)).unwrap_or_default();
    let masked = crate::secret::mask(&String::from_utf8_lossy(head));
    let end = (0..=SHOWN).rev().find(|at| masked.is_char_boundary(*at)).unwrap_or_default();
    let shown = if masked.len() <= SHOWN { &masked } else { masked.get(..end).unwrap_or_default() };
    let is_cut = shown.len() < masked.len() || head.len() < line.len();
    format!("{shown}{}", if is_cut { "…" } else { "" })
}

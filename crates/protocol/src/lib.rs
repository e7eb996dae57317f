//! The wire between connectors and their host: one JSON object a line, over stdin and stdout.
//!
//! Every line is an envelope, a `type` and one field of that name with the payload:
//!
//! ```
//! let line = br#"{"type":"record","record":{"stream":"customers","data":{"id":"cus_1"},"emitted_at":"2026-01-01T00:00:00.000Z"}}"#;
//! let line = protocol::Line::parse(line).unwrap();
//! assert_eq!(line.kind, protocol::Kind::Record);
//! let record = line.record().unwrap();
//! assert_eq!(record.stream, "customers");
//! assert_eq!(record.data.get(), r#"{"id":"cus_1"}"#); // the bytes as they came
//! ```
//!
//! A line is read in two steps: [`Line::parse`] finds the type and the payload's span, and only who
//! needs a payload decodes it. Record data is never turned into a tree here.
//! This crate holds types and framing; it opens no file, no socket and no process.

mod catalog;
mod line;
mod marks;
mod message;
mod pipeline;
mod progress;
mod record;
mod record_line;
mod spec;
mod state;
mod status;
mod walk;

pub mod exit;
pub mod ndjson;
pub mod scan;
pub mod secret;
pub mod time;

pub use catalog::{
    Catalog, ConfiguredCatalog, ConfiguredStream, DestinationSyncMode, Stream, SyncMode,
    SystemColumn, TimeRange,
};
pub use line::{DecodeError, Kind, Line, excerpt, peek_record_stream, stamp_line};
pub use message::Message;
pub use pipeline::{ConnectorConfig, PipelineConfig, SelectedStream, is_connector_type};
pub use progress::{
    Derived, Eof, EofError, EofReason, Progress, Range, RunStatus, StreamProgress, StreamRunStatus,
};
pub use record::{Origin, Prune, Record};
pub use record_line::{RecordLine, RecordReader};
pub use secret::Secret;
pub use spec::Spec;
pub use state::{
    SourceState, StateMessage, StateScope, SyncRun, SyncState, Written, WrittenCounts,
};
pub use status::{
    Class, ConnectionStatus, Control, Level, Log, Place, Places, Receipt, Status, StreamStatus,
    StreamStatusKind,
};
pub use time::Timestamp;

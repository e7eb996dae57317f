//! What of a source's output goes on to the destination: nearly all of it, as the bytes it came in.
//!
//! Pure: lines in, lines out, the clock a parameter. A record costs one look at its first bytes.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{
    Class, ConfiguredCatalog, ConfiguredStream, ConnectionStatus, DecodeError, Kind, Line, Message,
    StateMessage, StateScope, Status, StreamStatus, StreamStatusKind, Timestamp,
    peek_record_stream, stamp_line,
};
use serde_json::value::RawValue;

use crate::project;

/// What the engine has to know of a line that passed, before the line can come out again.
#[derive(Debug, Clone)]
pub enum Note {
    /// A word to the client that somebody should look at.
    Warning(String),
    /// The source itself says that a stream failed.
    StreamFailed(String),
    /// The source cannot work.
    ConnectionFailed(ConnectionStatus),
}

/// The gate of one pair of processes.
#[derive(Debug)]
pub struct Gate {
    emitted_by: String,
    /// Whether records and states may follow `complete`.
    follow: bool,
    streams: BTreeMap<String, Passage>,
    strangers: BTreeMap<String, u64>,
    told: BTreeSet<String>,
    state_count: u64,
    /// Whether a state of the source as a whole has come.
    has_global: bool,
    opening: Option<StateMessage>,
    mismatches: Vec<String>,
    failure: Option<ConnectionStatus>,
    notes: Vec<Note>,
    states: Vec<Passed>,
}

/// A state that was passed on.
#[derive(Debug, Clone)]
pub struct Passed {
    /// What it speaks for.
    pub scope: StateScope,
    /// The source's own data.
    pub data: Box<RawValue>,
    /// Records of its stream that were passed on before it; 0 for the source as a whole.
    pub records: u64,
}

/// Differences that are told; a source that goes on for months may have any number of them.
const MISMATCHES: usize = 100;

/// One stream on its way.
#[derive(Debug, Default)]
struct Passage {
    phase: Phase,
    /// Fields to keep, when fewer than all are wanted.
    fields: Option<BTreeSet<String>>,
    passed: u64,
    since_state: u64,
    last_state: Option<Box<RawValue>>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Waiting,
    Open,
    Completed,
    Ended,
}

impl Gate {
    /// A gate for the streams of a catalog; `emitted_by` is stamped on what is not a record or a
    /// state, such as `source/stripe`.
    #[must_use]
    pub fn new(catalog: &ConfiguredCatalog, emitted_by: &str) -> Self {
        let passage = |configured: &ConfiguredStream| {
            let fields = configured.fields.as_ref().map(|fields| fields.iter().cloned().collect());
            (configured.stream.name.clone(), Passage { fields, ..Passage::default() })
        };
        Self {
            emitted_by: emitted_by.to_owned(),
            follow: false,
            streams: catalog.streams.iter().map(passage).collect(),
            strangers: BTreeMap::new(),
            told: BTreeSet::new(),
            state_count: 0,
            has_global: false,
            opening: None,
            mismatches: Vec::new(),
            failure: None,
            notes: Vec::new(),
            states: Vec::new(),
        }
    }

    /// The same for a source that follows: records and states of a stream may come after its
    /// `complete`.
    #[must_use]
    pub const fn following(mut self) -> Self {
        self.follow = true;
        self
    }

    /// Appends to `out` what goes on of one line, `\n` included.
    ///
    /// # Errors
    ///
    /// When the line is no message.
    pub fn pass(
        &mut self,
        raw: &[u8],
        now: Timestamp,
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        if let Some(stream) = peek_record_stream(raw)
            && let Some(passage) = self.streams.get_mut(stream)
            && passage.phase.flows(self.follow)
            && passage.fields.is_none()
        {
            passage.count();
            append(out, raw);
            return Ok(());
        }
        let line = Line::parse(raw)?;
        match line.kind {
            Kind::Record => self.record(&line, out)?,
            Kind::SourceState => self.state(&line.state()?, raw, out),
            Kind::Progress | Kind::Eof => self.warn_once(
                line.type_name(),
                format!("a `{}` message is the engine's to send; dropped", line.type_name()),
            ),
            Kind::Unknown => {
                let warning = format!("unknown message type `{}`; passed on", line.type_name());
                self.warn_once(line.type_name(), warning);
                append(out, &stamp_line(raw, &self.emitted_by, now));
            }
            Kind::SourceInput => append(out, raw),
            Kind::StreamStatus
            | Kind::ConnectionStatus
            | Kind::Control
            | Kind::Log
            | Kind::Spec
            | Kind::Catalog => {
                if self.message(&line.message()?) {
                    append(out, &stamp_line(raw, &self.emitted_by, now));
                }
            }
        }
        Ok(())
    }

    /// What was noticed since the last call.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// States passed on since the last call, in order.
    pub fn take_states(&mut self) -> Vec<Passed> {
        std::mem::take(&mut self.states)
    }

    /// The first state of the source as a whole, if no record came before it; given once.
    pub fn take_opening(&mut self) -> Option<StateMessage> {
        self.opening.take()
    }

    /// Records passed on, by stream.
    pub fn passed(&self) -> impl Iterator<Item = (&str, u64)> {
        self.streams.iter().map(|(name, passage)| (name.as_str(), passage.passed))
    }

    /// The last state passed on, by stream.
    pub fn last_states(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        let state = |(name, passage)| {
            let passage: &Passage = passage;
            Some((String::as_str(name), passage.last_state.as_deref()?))
        };
        self.streams.iter().filter_map(state)
    }

    /// States passed on.
    #[must_use]
    pub const fn state_count(&self) -> u64 {
        self.state_count
    }

    /// Streams that the source did not bring to an end.
    pub fn unfinished(&self) -> impl Iterator<Item = &str> {
        let open = self.streams.iter().filter(|(_, passage)| !passage.phase.is_terminal());
        open.map(|(name, _)| name.as_str())
    }

    /// Records and states dropped because their stream was not asked for, by stream.
    #[must_use]
    pub const fn dropped(&self) -> &BTreeMap<String, u64> {
        &self.strangers
    }

    /// Where the source's own counts and ours differ.
    #[must_use]
    pub fn mismatches(&self) -> &[String] {
        &self.mismatches
    }

    /// The failure of the connection that the source told last.
    #[must_use]
    pub const fn failure(&self) -> Option<&ConnectionStatus> {
        self.failure.as_ref()
    }

    fn record(&mut self, line: &Line<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let record = line.record()?;
        let Some(passage) = self.streams.get_mut(record.stream.as_ref()) else {
            self.stranger(&record.stream);
            return Ok(());
        };
        passage.count();
        let phase = passage.phase;
        let narrowed = match &passage.fields {
            Some(fields) => project::narrow(&record, fields)
                .map_err(|error| DecodeError::BadPayload { kind: "record".to_owned(), error })?,
            None => None,
        };
        match narrowed {
            Some(line) => out.extend_from_slice(&line),
            None => append(out, line.raw),
        }
        self.check_flow(&record.stream, phase, "a record");
        Ok(())
    }

    fn state(&mut self, state: &StateMessage, raw: &[u8], out: &mut Vec<u8>) {
        let mut records = 0;
        if let StateScope::Stream(stream) = &state.scope {
            let Some(passage) = self.streams.get_mut(stream) else { return self.stranger(stream) };
            let seen = std::mem::take(&mut passage.since_state);
            passage.last_state = Some(state.data.clone());
            records = passage.passed;
            let phase = passage.phase;
            let is_told = self.mismatches.len() < MISMATCHES;
            if let Some(said) = state.emitted.filter(|said| *said != seen && is_told) {
                self.mismatches.push(format!(
                    "`{stream}`: the source says it emitted {said} records before a state, {seen} came"
                ));
            }
            self.check_flow(stream, phase, "a state");
        }
        if state.scope == StateScope::Global && !std::mem::replace(&mut self.has_global, true) {
            let is_opening = self.streams.values().all(|passage| passage.passed == 0);
            self.opening = is_opening.then(|| state.clone());
        }
        let (scope, data) = (state.scope.clone(), state.data.clone());
        self.states.push(Passed { scope, data, records });
        self.state_count = self.state_count.saturating_add(1);
        append(out, raw);
    }

    /// Takes in a message that is neither record nor state; says whether it goes on.
    fn message(&mut self, message: &Message) -> bool {
        match message {
            Message::StreamStatus(status) => self.status(status),
            Message::ConnectionStatus(status) => {
                if status.status == Status::Failed {
                    self.failure = Some(status.clone());
                    self.notes.push(Note::ConnectionFailed(status.clone()));
                }
                true
            }
            Message::Spec(_)
            | Message::Catalog(_)
            | Message::SourceState(_)
            | Message::Control(_)
            | Message::Log(_)
            | Message::Progress(_)
            | Message::Eof(_) => true,
        }
    }

    fn status(&mut self, status: &StreamStatus) -> bool {
        let Some(passage) = self.streams.get_mut(&status.stream) else {
            self.stranger(&status.stream);
            return false;
        };
        let before = passage.phase;
        match &status.kind {
            StreamStatusKind::Start { .. } => passage.phase = Phase::Open,
            StreamStatusKind::RangeComplete { .. } => {}
            StreamStatusKind::Complete if before != Phase::Ended => {
                passage.phase = Phase::Completed;
            }
            StreamStatusKind::Complete
            | StreamStatusKind::Skip { .. }
            | StreamStatusKind::Error { .. } => passage.phase = Phase::Ended,
        }
        if let StreamStatusKind::Error { .. } = status.kind {
            self.notes.push(Note::StreamFailed(status.stream.clone()));
        }
        let opens = matches!(status.kind, StreamStatusKind::Start { .. });
        // A stream that cannot even begin may say so at once.
        let ends_early = before == Phase::Waiting && status.kind.is_terminal();
        if before != Phase::Waiting || !(opens || ends_early) {
            self.check_order(&status.stream, before, "a status");
        }
        true
    }

    fn check_flow(&mut self, stream: &str, phase: Phase, what: &str) {
        if !phase.flows(self.follow) {
            self.check_order(stream, phase, what);
        }
    }

    fn check_order(&mut self, stream: &str, phase: Phase, what: &str) {
        let when = match phase {
            Phase::Open => return,
            Phase::Waiting => "before its `start`",
            Phase::Completed | Phase::Ended => "after its last status",
        };
        let fault = format!("{} sent {what} of `{stream}` {when}", self.emitted_by);
        self.warn_once(&format!("order of {stream}"), fault);
    }

    fn stranger(&mut self, stream: &str) {
        let count = self.strangers.entry(stream.to_owned()).or_default();
        *count = count.saturating_add(1);
        let warning = format!("`{stream}` is not in the catalog; what comes of it is dropped");
        self.warn_once(&format!("stranger {stream}"), warning);
    }

    fn warn_once(&mut self, subject: &str, message: String) {
        if self.told.insert(subject.to_owned()) {
            self.notes.push(Note::Warning(message));
        }
    }
}

impl Phase {
    /// Whether records and states are in place.
    fn flows(self, follow: bool) -> bool {
        self == Self::Open || (follow && self == Self::Completed)
    }

    const fn is_terminal(self) -> bool {
        match self {
            Self::Waiting | Self::Open => false,
            Self::Completed | Self::Ended => true,
        }
    }
}

impl Passage {
    const fn count(&mut self) {
        self.passed = self.passed.saturating_add(1);
        self.since_state = self.since_state.saturating_add(1);
    }
}

/// The class of a connection's failure; one that does not say is nobody's in particular.
#[must_use]
pub fn class_of(status: &ConnectionStatus) -> Class {
    status.class.unwrap_or(Class::Internal)
}

fn append(out: &mut Vec<u8>, line: &[u8]) {
    out.extend_from_slice(line);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn gate() -> Gate {
        let stream = |name: &str| json!({"stream": {"name": name, "primary_key": [["id"]], "newer_than_field": "u"}});
        let catalog = json!({"streams": [stream("a"), stream("b")]});
        Gate::new(&serde_json::from_value(catalog).unwrap(), "source/test")
    }

    fn pass(gate: &mut Gate, line: &str) -> String {
        let mut out = Vec::new();
        gate.pass(line.as_bytes(), Timestamp::EPOCH, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn warnings(gate: &mut Gate) -> Vec<String> {
        let text = |note| match note {
            Note::Warning(text) => Some(text),
            Note::StreamFailed(_) | Note::ConnectionFailed(_) => None,
        };
        gate.take_notes().into_iter().filter_map(text).collect()
    }

    const START: &str =
        r#"{"type":"stream_status","stream_status":{"stream":"a","status":"start"}}"#;
    const RECORD: &str = r#"{"type":"record","record":{"stream":"a","data":{"id":"1","n":1.10,"e":"\ud800"},"emitted_at":"t"},"_later":1}"#;

    #[test]
    fn records_pass_as_the_bytes_they_came_in() {
        let mut gate = gate();
        pass(&mut gate, START);
        assert_eq!(pass(&mut gate, RECORD), format!("{RECORD}\n"));
        let odd = r#" {"_x":0,"record":{"data":{"id":"2"},"stream":"a","emitted_at":"t"},"type":"record"} "#;
        assert_eq!(pass(&mut gate, odd), format!("{odd}\n"));
        assert_eq!(gate.passed().collect::<Vec<_>>(), [("a", 2), ("b", 0)]);
        assert!(gate.take_notes().is_empty());
    }

    #[test]
    fn a_stream_that_was_not_asked_for_is_dropped_counted_and_told_once() {
        let mut gate = gate();
        for _ in 0..3 {
            assert_eq!(pass(&mut gate, &RECORD.replace(r#""a""#, r#""x""#)), "");
        }
        let state = r#"{"type":"source_state","source_state":{"stream":"x","data":1}}"#;
        assert_eq!(pass(&mut gate, state), "");
        assert_eq!(gate.dropped()["x"], 4);
        assert_eq!(warnings(&mut gate).len(), 1);
    }

    #[test]
    fn a_source_opens_with_the_first_global_state_unless_a_record_came_before_it() {
        let global = |n: u8| {
            format!(
                r#"{{"type":"source_state","source_state":{{"state_type":"global","data":{n}}}}}"#
            )
        };
        let opened = |lines: &[&str]| {
            let mut gate = gate();
            for line in lines {
                pass(&mut gate, line);
            }
            let data = |state: StateMessage| state.data.get().to_owned();
            (gate.take_opening().map(data), gate.take_opening().is_some())
        };
        let first = (Some("1".to_owned()), false);
        assert_eq!(opened(&[START, &global(1), &global(2), RECORD, &global(3)]), first);
        assert_eq!(opened(&[START, RECORD, &global(1)]), (None, false));
        assert_eq!(opened(&[START, RECORD]), (None, false));
    }

    #[test]
    fn faults_of_order_are_told_once_a_stream_and_lose_nothing() {
        let mut gate = gate();
        assert_eq!(pass(&mut gate, RECORD), format!("{RECORD}\n"));
        pass(&mut gate, RECORD);
        assert_eq!(warnings(&mut gate), ["source/test sent a record of `a` before its `start`"]);
        let complete = START.replace("start", "complete").replace(r#""a""#, r#""b""#);
        pass(&mut gate, &START.replace(r#""a""#, r#""b""#));
        pass(&mut gate, &complete);
        assert!(gate.take_notes().is_empty());
        pass(&mut gate, &complete);
        assert_eq!(warnings(&mut gate), ["source/test sent a status of `b` after its last status"]);
        assert_eq!(gate.unfinished().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn a_source_that_follows_goes_on_after_complete_and_only_with_records_and_states() {
        let mut gate = gate().following();
        let state = r#"{"type":"source_state","source_state":{"stream":"a","data":{}}}"#;
        let complete = START.replace("start", "complete");
        for line in [START, &complete, RECORD, state, RECORD] {
            assert!(!pass(&mut gate, line).is_empty());
        }
        assert!(gate.take_notes().is_empty());
        assert_eq!(gate.passed().next(), Some(("a", 2)));
        pass(&mut gate, START);
        assert_eq!(warnings(&mut gate), ["source/test sent a status of `a` after its last status"]);
    }

    #[test]
    fn a_source_that_counts_otherwise_is_named_with_the_stream() {
        let mut gate = gate();
        pass(&mut gate, START);
        pass(&mut gate, RECORD);
        let state =
            r#"{"type":"source_state","source_state":{"stream":"a","data":{}},"_emitted":1}"#;
        pass(&mut gate, state);
        assert!(gate.mismatches().is_empty());
        pass(&mut gate, state);
        assert!(gate.mismatches()[0].starts_with("`a`: the source says it emitted 1"));
    }

    #[test]
    fn what_is_no_record_is_stamped_and_unknown_types_pass() {
        let mut gate = gate();
        let out = pass(&mut gate, START);
        assert!(out.contains(r#""_emitted_by":"source/test","_ts":"1970-01-01T00:00:00.000Z"}"#));
        let out = pass(&mut gate, r#"{"type":"trace","trace":{"deep":[1.10]}}"#);
        assert!(out.starts_with(r#"{"type":"trace","trace":{"deep":[1.10]}"#), "{out}");
        assert_eq!(warnings(&mut gate), ["unknown message type `trace`; passed on"]);
    }

    #[test]
    fn garbage_is_an_error() {
        let mut out = Vec::new();
        for line in ["no json", "{}", "[1]", r#"{"type":"record"}"#, r#"{"type":"log","log":1}"#] {
            assert!(gate().pass(line.as_bytes(), Timestamp::EPOCH, &mut out).is_err(), "{line}");
        }
        assert!(out.is_empty());
    }
}

//! What came out of a destination, and whose word it is; pure.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{
    ConnectionStatus, Message, StateMessage, StateScope, Status, StreamStatus, StreamStatusKind,
    Written, WrittenCounts,
};
use serde_json::value::RawValue;

use crate::failure::Side;
use crate::gate::{Gate, Note};
use crate::sent::same;

/// Everything heard from one pair of processes.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    failed_at_source: BTreeSet<String>,
    /// Streams that failed at the destination, with the reason.
    pub(crate) failed_at_destination: BTreeMap<String, String>,
    source_refusal: Option<ConnectionStatus>,
    /// The destination's own word that it cannot work.
    pub(crate) refusal: Option<ConnectionStatus>,
    written: Written,
    said_written: bool,
    echoes: BTreeMap<String, u64>,
    states: BTreeMap<String, Box<RawValue>>,
}

impl Heard {
    /// Takes in what the gate saw; comes before the line itself can come out.
    pub(crate) fn note(&mut self, note: &Note) {
        match note {
            Note::StreamFailed(stream) => {
                self.failed_at_source.insert(stream.clone());
            }
            Note::ConnectionFailed(status) => self.source_refusal = Some(status.clone()),
            Note::Warning(_) => {}
        }
    }

    /// Takes in a record that came back.
    pub(crate) fn echo(&mut self, stream: &str) {
        let count = self.echoes.entry(stream.to_owned()).or_default();
        *count = count.saturating_add(1);
    }

    /// Takes in a message; says whose word it is, as far as that can be known.
    pub(crate) fn take(&mut self, message: &Message) -> Side {
        match message {
            Message::StreamStatus(status) => self.status(status),
            Message::ConnectionStatus(status) => self.connection(status),
            Message::SourceState(state) => {
                if let StateScope::Stream(stream) = &state.scope {
                    self.states.insert(stream.clone(), state.data.clone());
                }
                self.add(state.written.as_ref());
                Side::Destination
            }
            Message::Log(log) => {
                self.add(log.written.as_ref());
                Side::Destination
            }
            Message::Spec(_)
            | Message::Catalog(_)
            | Message::Control(_)
            | Message::Progress(_)
            | Message::Eof(_) => Side::Destination,
        }
    }

    /// Where what passed the gate and what came out differ, though both sides ended well. Streams
    /// that failed at the destination are explained by that.
    #[must_use]
    pub(crate) fn differences(&self, gate: &Gate) -> Vec<String> {
        let mut differences = gate.mismatches().to_vec();
        let explained = |stream: &str| self.failed_at_destination.contains_key(stream);
        for (stream, passed) in gate.passed().filter(|(stream, _)| !explained(stream)) {
            let Some(arrived) = self.arrived(stream) else { continue };
            if arrived != passed {
                differences.push(format!(
                    "`{stream}`: {passed} records went to the destination, it accounts for {arrived}"
                ));
            }
        }
        for (stream, sent) in gate.last_states().filter(|(stream, _)| !explained(stream)) {
            if !self.states.get(stream).is_some_and(|confirmed| same(confirmed, sent)) {
                differences
                    .push(format!("`{stream}`: the destination did not confirm the last state"));
            }
        }
        differences
    }

    /// Why a state may not be kept: fewer records of its stream were accounted for than went before
    /// it. Comes before [`Heard::take`]; a destination that only echoes is compared at the end.
    #[must_use]
    pub(crate) fn unaccounted(&self, state: &StateMessage, before: u64) -> Option<String> {
        let StateScope::Stream(stream) = &state.scope else { return None };
        let counts = |written: &Written| written.get(stream).map_or(0, WrittenCounts::total);
        let with_it = state.written.as_ref().map_or(0, counts);
        let accounted = counts(&self.written).saturating_add(with_it);
        let counts_at_all = self.said_written || state.written.is_some();
        (counts_at_all && accounted < before).then(|| {
            format!("`{stream}`: {before} records went before a state that came back, the destination accounts for {accounted}")
        })
    }

    /// Records of a stream that the destination accounts for; `None` when it counts nothing.
    fn arrived(&self, stream: &str) -> Option<u64> {
        if self.said_written {
            return Some(self.written.get(stream).map_or(0, WrittenCounts::total));
        }
        let echoes = self.echoes.get(stream).copied().unwrap_or_default();
        (!self.echoes.is_empty()).then_some(echoes)
    }

    fn status(&mut self, status: &StreamStatus) -> Side {
        let StreamStatusKind::Error { error } = &status.kind else { return Side::Source };
        if self.failed_at_source.contains(&status.stream) {
            return Side::Source;
        }
        self.failed_at_destination.entry(status.stream.clone()).or_insert_with(|| error.clone());
        Side::Destination
    }

    fn connection(&mut self, status: &ConnectionStatus) -> Side {
        if self.source_refusal.as_ref() == Some(status) {
            return Side::Source;
        }
        if status.status == Status::Failed {
            self.refusal = Some(status.clone());
        }
        Side::Destination
    }

    fn add(&mut self, written: Option<&Written>) {
        for (stream, counts) in written.into_iter().flatten() {
            self.written.entry(stream.clone()).or_default().add(counts);
        }
        self.said_written |= written.is_some();
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Line, Timestamp};
    use serde_json::json;

    use super::*;

    fn message(line: &str) -> Message {
        Line::parse(line.as_bytes()).unwrap().message().unwrap()
    }

    fn gate(lines: &[&str]) -> Gate {
        let stream = json!({"name": "a", "primary_key": [["id"]], "newer_than_field": "u"});
        let catalog = json!({"streams": [{"stream": stream}]});
        let mut gate = Gate::new(&serde_json::from_value(catalog).unwrap(), "source/test");
        for line in lines {
            gate.pass(line.as_bytes(), Timestamp::EPOCH, &mut Vec::new()).unwrap();
        }
        gate
    }

    const RECORD: &str = r#"{"type":"record","record":{"stream":"a","data":{},"emitted_at":"t"}}"#;
    const STATE: &str = r#"{"type":"source_state","source_state":{"stream":"a","data":{"n":1}}}"#;
    const ERROR: &str =
        r#"{"type":"stream_status","stream_status":{"stream":"a","status":"error","error":"no"}}"#;

    #[test]
    fn an_error_is_the_destinations_unless_the_source_said_it_first() {
        let mut heard = Heard::default();
        assert_eq!(heard.take(&message(ERROR)), Side::Destination);
        assert_eq!(heard.failed_at_destination["a"], "no");
        let mut heard = Heard::default();
        heard.note(&Note::StreamFailed("a".to_owned()));
        assert_eq!(heard.take(&message(ERROR)), Side::Source);
        assert!(heard.failed_at_destination.is_empty());
    }

    #[test]
    fn a_record_that_nobody_accounts_for_names_its_stream() {
        let gate = gate(&[RECORD, RECORD, STATE]);
        let counted = STATE.replace("}}}", r#"}},"_written":{"a":{"created":1}}}"#);
        let mut heard = Heard::default();
        heard.take(&message(&counted));
        let differences = heard.differences(&gate);
        assert_eq!(differences, ["`a`: 2 records went to the destination, it accounts for 1"]);
        heard.take(&message(r#"{"type":"log","log":{"level":"info","message":"rest"},"_written":{"a":{"stale":1}}}"#));
        assert!(heard.differences(&gate).is_empty());
    }

    #[test]
    fn a_destination_that_counts_nothing_must_at_least_confirm_the_last_state() {
        let gate = gate(&[RECORD, STATE]);
        let mut heard = Heard::default();
        assert_eq!(
            heard.differences(&gate),
            ["`a`: the destination did not confirm the last state"]
        );
        heard.take(&message(&STATE.replace(r#""n":1"#, r#" "n" : 1 "#)));
        assert!(heard.differences(&gate).is_empty());
        heard.echo("a");
        heard.echo("a");
        assert_eq!(heard.differences(&gate).len(), 1);
    }
}

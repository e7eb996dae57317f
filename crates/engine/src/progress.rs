//! Where a run stands, folded from what comes out of the destination; pure.

use protocol::{
    Message, Progress, Range, RunStatus, Status, StreamProgress, StreamRunStatus, StreamStatusKind,
    TimeRange, Timestamp, Written,
};

/// Progress before anything happened.
pub fn fresh<'a>(streams: impl Iterator<Item = &'a str>, now: Timestamp) -> Progress {
    Progress {
        started_at: now,
        streams: streams.map(|name| (name.to_owned(), StreamProgress::default())).collect(),
        ..Progress::default()
    }
}

/// Progress of a run that goes on with `streams`, from where it was left.
///
/// The time between two calls does not count: the start is moved so that what counts is the time at
/// work. How a connection failed in an earlier call says nothing of this one. Totals are those of
/// `streams`: what begins afresh counts anew.
pub fn resumed<'a>(
    kept: Progress,
    streams: impl Iterator<Item = &'a str>,
    now: Timestamp,
) -> Progress {
    let mut known = kept.streams;
    let elapsed = i64::try_from(kept.elapsed_ms).unwrap_or_default();
    let mut progress = Progress {
        started_at: Timestamp::from_millis(now.millis().saturating_sub(elapsed)),
        connection_status: None,
        streams: streams
            .map(|name| (name.to_owned(), known.remove(name).unwrap_or_default()))
            .collect(),
        ..kept
    };
    let sum = |count: fn(&StreamProgress) -> u64| {
        progress.streams.values().map(count).fold(0, u64::saturating_add)
    };
    let (records, states) = (sum(|stream| stream.record_count), sum(|stream| stream.state_count));
    progress.derived.total_record_count = records;
    progress.derived.total_state_count = states;
    progress.derived.status = run_status(&progress);
    rates(&mut progress);
    progress
}

/// Takes in one message that the engine saw at `ts`.
pub fn fold(progress: &mut Progress, message: &Message, ts: Timestamp) {
    match message {
        Message::SourceState(state) => {
            touch(progress, ts);
            match &state.scope {
                protocol::StateScope::Stream(stream) => {
                    let stream = entry(progress, stream);
                    stream.state_count = stream.state_count.saturating_add(1);
                    let total = &mut progress.derived.total_state_count;
                    *total = total.saturating_add(1);
                }
                protocol::StateScope::Global => {
                    progress.global_state_count = progress.global_state_count.saturating_add(1);
                }
            }
            if let Some(written) = &state.written {
                add_written(progress, written, ts);
            }
        }
        Message::StreamStatus(status) => {
            touch(progress, ts);
            apply(entry(progress, &status.stream), &status.kind);
            progress.derived.status = run_status(progress);
        }
        Message::ConnectionStatus(status) => {
            touch(progress, ts);
            progress.connection_status = Some(status.clone());
            progress.derived.status = run_status(progress);
        }
        Message::Log(log) => {
            if let Some(written) = &log.written {
                touch(progress, ts);
                add_written(progress, written, ts);
            }
            for (stream, moment) in &log.up_to {
                // A word on a stream that is not part of the run makes it none.
                if let Some(stream) = progress.streams.get_mut(stream) {
                    stream.up_to = stream.up_to.max(Some(*moment));
                }
            }
        }
        Message::Spec(_)
        | Message::Catalog(_)
        | Message::Control(_)
        | Message::Progress(_)
        | Message::Eof(_) => {}
    }
    rates(progress);
}

/// Takes in a record that a destination echoed: it accepted it, no more is known.
///
/// Once the destination says what it wrote, that replaces what was counted here.
pub fn fold_echo(progress: &mut Progress, stream: &str, ts: Timestamp) {
    touch(progress, ts);
    let stream = entry(progress, stream);
    stream.record_count = stream.record_count.saturating_add(1);
    let total = &mut progress.derived.total_record_count;
    *total = total.saturating_add(1);
}

/// Takes in that time passed.
pub fn advance(progress: &mut Progress, now: Timestamp) {
    touch(progress, now);
    rates(progress);
}

/// The clock starts with the first data, not with the first process.
fn touch(progress: &mut Progress, ts: Timestamp) {
    let nothing_yet = progress.elapsed_ms == 0
        && progress.global_state_count == 0
        && progress.derived.total_record_count == 0
        && progress.derived.total_state_count == 0
        && progress.streams.values().all(|stream| stream.status == StreamRunStatus::NotStarted);
    if nothing_yet {
        progress.started_at = ts;
    }
    let elapsed = ts.millis().saturating_sub(progress.started_at.millis());
    progress.elapsed_ms = progress.elapsed_ms.max(u64::try_from(elapsed).unwrap_or_default());
}

fn entry<'p>(progress: &'p mut Progress, stream: &str) -> &'p mut StreamProgress {
    progress.streams.entry(stream.to_owned()).or_default()
}

fn add_written(progress: &mut Progress, written: &Written, ts: Timestamp) {
    for (name, counts) in written {
        let stream = entry(progress, name);
        let before = stream.record_count;
        stream.record_count = written_count(stream);
        stream.add_written(counts);
        if counts.created > 0 || counts.updated > 0 || counts.deleted > 0 {
            stream.changed_at = Some(ts);
        }
        let after = stream.record_count;
        let total = &mut progress.derived.total_record_count;
        *total = total.saturating_sub(before).saturating_add(after);
    }
}

/// Records of which the destination said what became of them.
pub(crate) fn written_count(stream: &StreamProgress) -> u64 {
    [
        stream.created_count,
        stream.updated_count,
        stream.deleted_count,
        stream.unchanged_count,
        stream.stale_count,
        stream.superseded_count,
        stream.refused_count,
    ]
    .into_iter()
    .fold(0, u64::saturating_add)
}

fn apply(stream: &mut StreamProgress, kind: &StreamStatusKind) {
    if stream.status == StreamRunStatus::Errored {
        return;
    }
    match kind {
        StreamStatusKind::Start { time_range } => {
            stream.status = StreamRunStatus::Started;
            if let Some(range) = time_range.as_ref().and_then(closed) {
                stream.total_range = Some(range);
            }
        }
        StreamStatusKind::RangeComplete { range_complete } => {
            if let Some(range) = closed(range_complete) {
                merge(stream.completed_ranges.get_or_insert_default(), range);
            }
        }
        StreamStatusKind::Complete => stream.status = StreamRunStatus::Completed,
        StreamStatusKind::Error { error } => {
            stream.status = StreamRunStatus::Errored;
            stream.message = Some(error.clone());
        }
        StreamStatusKind::Skip { reason } => {
            stream.status = StreamRunStatus::Skipped;
            stream.message = Some(reason.clone());
        }
    }
}

fn closed(range: &TimeRange) -> Option<Range> {
    Some(Range { gte: range.gte?, lt: range.lt? })
}

/// Adds a range to sorted ranges that do not touch.
fn merge(ranges: &mut Vec<Range>, range: Range) {
    let mut merged = range;
    ranges.retain(|other| {
        let touches = other.gte <= merged.lt && merged.gte <= other.lt;
        if touches {
            merged = Range { gte: merged.gte.min(other.gte), lt: merged.lt.max(other.lt) };
        }
        !touches
    });
    let at = ranges.partition_point(|other| other.gte < merged.gte);
    ranges.insert(at, merged);
}

fn run_status(progress: &Progress) -> RunStatus {
    let connection = progress.connection_status.as_ref().map(|connection| connection.status);
    if connection == Some(Status::Failed) {
        return RunStatus::Failed;
    }
    let statuses = || progress.streams.values().map(|stream| stream.status);
    if !statuses().all(StreamRunStatus::is_terminal) {
        return RunStatus::Started;
    }
    if statuses().any(|status| status == StreamRunStatus::Errored) {
        return RunStatus::Failed;
    }
    RunStatus::Succeeded
}

fn rates(progress: &mut Progress) {
    let derived = &mut progress.derived;
    derived.records_per_second = per_second(derived.total_record_count, progress.elapsed_ms);
    derived.states_per_second = per_second(derived.total_state_count, progress.elapsed_ms);
}

fn per_second(count: u64, elapsed_ms: u64) -> f64 {
    if elapsed_ms == 0 { 0.0 } else { as_f64(count) * 1000.0 / as_f64(elapsed_ms) }
}

/// As exact as a rate can be: in two halves, each of which a float holds.
fn as_f64(number: u64) -> f64 {
    let half = |number: u64| f64::from(u32::try_from(number & 0xFFFF_FFFF).unwrap_or(u32::MAX));
    half(number >> 32).mul_add(4_294_967_296.0, half(number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::Line;

    use super::*;

    fn message(line: &str) -> Message {
        Line::parse(line.as_bytes()).unwrap().message().unwrap()
    }

    fn status(stream: &str, rest: &str) -> Message {
        message(&format!(
            r#"{{"type":"stream_status","stream_status":{{"stream":"{stream}",{rest}}}}}"#
        ))
    }

    fn state(written: &str) -> Message {
        message(&format!(
            r#"{{"type":"source_state","source_state":{{"stream":"a","data":{{}}}},"_written":{written}}}"#
        ))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn time_counts_from_the_first_data() {
        let mut progress = fresh(["a"].into_iter(), at(0));
        fold(&mut progress, &status("a", r#""status":"start""#), at(10));
        assert_eq!(progress.started_at, at(10));
        fold(&mut progress, &state(r#"{"a":{"created":50}}"#), at(20));
        assert_eq!((progress.started_at, progress.elapsed_ms), (at(10), 10_000));
        assert!((progress.derived.records_per_second - 5.0).abs() < 1e-9);
    }

    #[test]
    fn a_rate_is_true_after_two_months_and_six_billion_records() {
        let mut progress = fresh(["a"].into_iter(), at(0));
        fold(&mut progress, &state(r#"{"a":{"created":1}}"#), at(0));
        fold(&mut progress, &state(r#"{"a":{"created":5999999999}}"#), at(60 * 86_400));
        let expected = 6e9 / (60.0 * 86_400.0);
        assert!((progress.derived.records_per_second - expected).abs() < 1e-6);
    }

    #[test]
    fn a_run_that_goes_on_with_other_streams_has_their_totals() {
        let mut earlier = fresh(["a", "b"].into_iter(), at(0));
        fold(&mut earlier, &state(r#"{"a":{"created":3}}"#), at(2));
        fold(&mut earlier, &state(r#"{"b":{"created":4}}"#), at(4));
        let later = resumed(earlier, ["b", "c"].into_iter(), at(9));
        assert_eq!((later.derived.total_record_count, later.derived.total_state_count), (4, 0));
        assert!((later.derived.records_per_second - 2.0).abs() < 1e-9);
    }

    #[test]
    fn an_errored_stream_is_never_completed() {
        let mut progress = fresh(["a", "b"].into_iter(), at(0));
        fold(&mut progress, &status("a", r#""status":"error","error":"no""#), at(1));
        fold(&mut progress, &status("a", r#""status":"complete""#), at(1));
        fold(&mut progress, &status("a", r#""status":"start""#), at(1));
        assert_eq!(progress.streams["a"].status, StreamRunStatus::Errored);
        assert_eq!(progress.derived.status, RunStatus::Started);
        fold(&mut progress, &status("b", r#""status":"skip","reason":"not enabled""#), at(1));
        assert_eq!(progress.derived.status, RunStatus::Failed);
    }

    #[test]
    fn what_was_written_replaces_what_was_only_accepted() {
        let mut progress = fresh(["a"].into_iter(), at(0));
        for _ in 0..3 {
            fold_echo(&mut progress, "a", at(1));
        }
        assert_eq!(progress.derived.total_record_count, 3);
        fold(&mut progress, &state(r#"{"a":{"created":2,"unchanged":1}}"#), at(1));
        fold_echo(&mut progress, "a", at(1));
        fold(&mut progress, &state(r#"{"a":{"stale":1}}"#), at(1));
        assert_eq!(progress.streams["a"].record_count, 4);
        assert_eq!(progress.derived.total_record_count, 4);
        assert_eq!(progress.streams["a"].state_count, 2);
    }

    #[test]
    fn how_fresh_a_stream_is_never_falls_and_only_a_change_is_one() {
        let told = |moment: &str| {
            message(&format!(
                r#"{{"type":"log","log":{{"level":"debug","message":""}},"_up_to":{{"a":"{moment}"}}}}"#
            ))
        };
        let mut progress = fresh(["a"].into_iter(), at(0));
        fold(&mut progress, &told("1970-01-01T00:00:09Z"), at(10));
        fold(&mut progress, &told("1970-01-01T00:00:05Z"), at(11));
        let stranger = r#"{"type":"log","log":{"level":"debug","message":""},"_up_to":{"x":"1970-01-01T00:00:05Z"}}"#;
        fold(&mut progress, &message(stranger), at(11));
        assert_eq!(progress.streams.len(), 1);
        fold(&mut progress, &state(r#"{"a":{"updated":1}}"#), at(12));
        fold(&mut progress, &state(r#"{"a":{"unchanged":1,"stale":1}}"#), at(13));
        let stream = &progress.streams["a"];
        assert_eq!((stream.up_to, stream.changed_at), (Some(at(9)), Some(at(12))));
    }

    proptest! {
        #[test]
        fn merged_ranges_are_sorted_and_cover_the_same_seconds(
            spans in prop::collection::vec((0_i64..40, 1_i64..9), 0..20)
        ) {
            let mut ranges = Vec::new();
            for (from, length) in &spans {
                merge(&mut ranges, Range { gte: at(*from), lt: at(from + length) });
            }
            for pair in ranges.windows(2) {
                prop_assert!(pair[0].lt < pair[1].gte);
            }
            for second in 0..50 {
                let asked = spans.iter().any(|(from, length)| (*from..from + length).contains(&second));
                let covered = ranges.iter().any(|r| (r.gte..r.lt).contains(&at(second)));
                prop_assert_eq!(asked, covered);
            }
        }

        #[test]
        fn an_errored_stream_stays_errored_whatever_follows(
            before in prop::collection::vec(0_u8..4, 0..8),
            after in prop::collection::vec(0_u8..4, 0..8),
        ) {
            let said = |kind: u8| match kind {
                0 => status("a", r#""status":"start""#),
                1 => status("a", r#""status":"complete""#),
                2 => status("a", r#""status":"skip","reason":"r""#),
                _ => state(r#"{"a":{"created":1}}"#),
            };
            let mut progress = fresh(["a"].into_iter(), at(0));
            for kind in before {
                fold(&mut progress, &said(kind), at(1));
            }
            fold(&mut progress, &status("a", r#""status":"error","error":"no""#), at(1));
            for kind in after {
                fold(&mut progress, &said(kind), at(1));
            }
            prop_assert_eq!(progress.streams["a"].status, StreamRunStatus::Errored);
            prop_assert_eq!(progress.streams["a"].message.as_deref(), Some("no"));
            prop_assert_eq!(progress.derived.status, RunStatus::Failed);
        }

        #[test]
        fn totals_are_the_sums_of_the_streams(
            steps in prop::collection::vec((0_u8..3, 0_u64..50), 0..60)
        ) {
            let mut progress = fresh(["a", "b"].into_iter(), at(0));
            for (kind, count) in steps {
                match kind {
                    0 => fold_echo(&mut progress, "b", at(1)),
                    1 => fold(&mut progress, &state(&format!(r#"{{"b":{{"updated":{count}}}}}"#)), at(2)),
                    _ => fold(&mut progress, &state(&format!(r#"{{"a":{{"created":{count}}}}}"#)), at(2)),
                }
            }
            let records: u64 = progress.streams.values().map(|stream| stream.record_count).sum();
            prop_assert_eq!(records, progress.derived.total_record_count);
        }
    }
}

use protocol::StreamRunStatus;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn stream(status: StreamRunStatus, records: u64, read: i64) -> StreamProgress {
    StreamProgress {
        status,
        record_count: records,
        total_range: Some(Range { gte: at(1000), lt: at(2000) }),
        completed_ranges: Some(vec![Range { gte: at(2000 - read), lt: at(2000) }]),
        ..StreamProgress::default()
    }
}

fn progress(elapsed: u64, streams: &[(&str, StreamProgress)]) -> Progress {
    let mut progress = Progress { elapsed_ms: elapsed * 1000, ..Progress::default() };
    for (name, stream) in streams {
        progress.streams.insert((*name).to_owned(), stream.clone());
        progress.derived.total_record_count += stream.record_count;
    }
    progress
}

/// What is said at each second of a run in which so many seconds of time are read in each, a
/// hundred records a second.
fn said(steps: &[i64]) -> Vec<Option<String>> {
    let mut eta = Eta::default();
    let (mut read, mut said) = (0, Vec::new());
    for (second, step) in (0_u64..).zip(steps) {
        read += step;
        let one = stream(StreamRunStatus::Started, second * 100, read);
        eta.measure(&progress(second, &[("a", one)]), at(i64::try_from(second).unwrap()));
        said.push(eta.left());
    }
    said
}

#[test]
fn a_steady_run_says_after_a_while_what_is_left_and_it_comes_true() {
    let said = said(&[5; 195]);
    assert!(said.iter().take(17).all(Option::is_none), "{said:?}");
    let words: Vec<&str> = said.iter().flatten().map(String::as_str).collect();
    assert_eq!(words.first(), Some(&"about 3 min left"));
    assert_eq!(words.last(), Some(&"less than a minute left"));
    assert!(words.len() > 170);
    let minutes = words.iter().map(|text| text.replace("less than a minute", "about 0 min"));
    assert!(minutes.is_sorted_by(|earlier, later| earlier >= later), "it never rises");
}

#[test]
fn estimates_that_swing_are_not_said() {
    // All in lumps: nothing for a long time, then a third at once.
    let mut steps = vec![0; 60];
    for at in [10, 25, 50] {
        steps[at] = 300;
    }
    let said = said(&steps);
    for at in [11, 12, 26, 27, 51, 52] {
        assert_eq!(said[at], None, "{at}");
    }
}

#[test]
fn nothing_is_said_of_what_nobody_can_know() {
    let known = || stream(StreamRunStatus::Started, 0, 0);
    let mut queued = stream(StreamRunStatus::NotStarted, 0, 0);
    queued.total_range = None;
    let mut timeless = known();
    timeless.total_range = None;
    for other in [queued, timeless, known()] {
        let mut eta = Eta::default();
        for second in 0..60 {
            let one =
                stream(StreamRunStatus::Started, second * 100, i64::try_from(second).unwrap() * 5);
            let streams = [("a", one), ("b", other.clone())];
            eta.measure(&progress(second, &streams), at(i64::try_from(second).unwrap()));
        }
        assert_eq!(eta.left(), None, "{other:?}");
    }
    let mut limited = Eta::default();
    limited.set_limited(true);
    for second in 0..60 {
        let one =
            stream(StreamRunStatus::Started, second * 100, i64::try_from(second).unwrap() * 5);
        limited.measure(&progress(second, &[("a", one)]), at(i64::try_from(second).unwrap()));
    }
    assert_eq!(limited.left(), None);
}

#[test]
fn what_an_earlier_call_has_read_makes_this_one_no_faster() {
    let mut eta = Eta::default();
    // Nine tenths were read before; a hundredth of the whole takes ten seconds now.
    for second in 0..60_u64 {
        let one = stream(
            StreamRunStatus::Started,
            1_000_000 + second * 100,
            900 + i64::try_from(second).unwrap(),
        );
        eta.measure(&progress(second, &[("a", one)]), at(i64::try_from(second).unwrap()));
    }
    assert_eq!(eta.left().as_deref(), Some("about 1 min left"));
}

#[test]
fn time_without_objects_at_the_end_makes_the_rest_no_sparser() {
    let mut eta = Eta::default();
    // Nothing was made in the newer half; the first page shows that at once.
    for second in 0..60_u64 {
        let read = if second == 0 { 0 } else { 500 + i64::try_from(second).unwrap() };
        let one = stream(StreamRunStatus::Started, second * 100, read);
        eta.measure(&progress(second, &[("a", one)]), at(i64::try_from(second).unwrap()));
    }
    assert_eq!(eta.left().as_deref(), Some("about 7 min left"));
}

#[test]
fn long_times_are_said_coarsely() {
    let said = [20, 89, 600, 1_700, 7_300].map(|seconds| words(seconds * 1000));
    let expected = [
        "less than a minute left",
        "about 1 min left",
        "about 10 min left",
        "about 30 min left",
        "about 2 h left",
    ];
    assert_eq!(said, expected);
}

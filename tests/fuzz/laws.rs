//! What holds for any bytes at all: plain functions that panic when it does not.
//!
//! They are driven here by changed seeds, and by the fuzzer of `fuzz/`, which includes this file.

use futures_util::FutureExt as _;
use pg::Settings;
use protocol::ndjson::Reader;
use protocol::{Kind, Line, SyncState, Timestamp, peek_record_stream, stamp_line};
use serde_json::Value;
use stripe_api::{Catalogue, compile, compile_shapes};

/// Lines come out as they went in, a cut one is an error, and whatever is taken for a message is
/// one object whose parts are in the line.
pub(crate) fn ndjson_line(bytes: &[u8]) {
    let (lines, is_whole) = framed(bytes);
    let mut expected: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let rest = expected.pop().unwrap_or_default();
    let is_blank = |line: &[u8]| line.iter().all(u8::is_ascii_whitespace);
    expected.retain(|line| !is_blank(line));
    assert_eq!(lines, expected);
    assert_eq!(is_whole, is_blank(rest), "the end of the stream");
    for line in lines.iter().map(Vec::as_slice).chain([rest]) {
        one_line(line);
    }
}

/// Every line, and whether the end was a clean one.
fn framed(bytes: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let mut reader = Reader::new(bytes);
    let mut lines = Vec::new();
    loop {
        // Bytes in memory are never waited for.
        match reader.next().now_or_never() {
            Some(Ok(Some(line))) => lines.push(line.to_vec()),
            Some(Ok(None)) => return (lines, true),
            Some(Err(_)) | None => return (lines, false),
        }
    }
}

fn one_line(bytes: &[u8]) {
    assert!(protocol::excerpt(bytes).chars().count() <= 1_000, "a report stays short");
    let Ok(line) = Line::parse(bytes) else { return };
    // A tree has a limit of depth that lines do not have.
    if let Ok(tree) = serde_json::from_slice::<Value>(bytes) {
        assert_eq!(tree["type"], line.type_name());
    }
    let stamped = stamp_line(bytes, "engine", Timestamp::EPOCH);
    let again = Line::parse(&stamped).expect("a stamped line is a line");
    assert_eq!((again.kind, again.ts()), (line.kind, Some(Timestamp::EPOCH)));
    let record = line.record();
    if line.kind != Kind::Record {
        drop(line.message());
    }
    let Ok(record) = record else { return };
    let text = std::str::from_utf8(bytes).expect("a record is text");
    assert!(text.contains(record.data.get()), "data is a part of the line");
    let same = again.record().expect("it is still a record");
    assert_eq!((&same.stream, same.data.get()), (&record.stream, record.data.get()));
    if let Some(stream) = peek_record_stream(bytes) {
        assert_eq!(stream, record.stream);
    }
}

/// A document compiles or is refused; what it compiles to is written and read the same.
pub(crate) fn openapi(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    drop(compile_shapes(&text));
    if let Ok(catalogue) = compile(&text) {
        let written = catalogue.to_json().expect("a catalogue is written");
        let read = Catalogue::from_json(&written).expect("and read");
        assert_eq!(read.to_json().expect("again"), written);
    }
}

/// A URL is understood or refused, and neither shows the password.
pub(crate) fn connection_url(bytes: &[u8]) {
    const CANARY: &str = "canary0123456789";
    let text = String::from_utf8_lossy(bytes);
    drop(Settings::from_url(&text));
    for scheme in ["postgres", "postgresql"] {
        let shown = match Settings::from_url(&format!("{scheme}://me:{CANARY}@{text}")) {
            Ok(settings) => format!("{settings:?} {}", settings.target()),
            Err(error) => format!("{error} {error:?}"),
        };
        let is_shown_by_itself = text.contains(CANARY);
        assert!(is_shown_by_itself || !shown.contains(CANARY), "{shown}");
    }
}

/// A state is read or refused; what was read is written and read the same.
pub(crate) fn sync_state(bytes: &[u8]) {
    let Ok(state) = serde_json::from_slice::<SyncState>(bytes) else { return };
    let written = serde_json::to_string(&state).expect("a state is written");
    let read: SyncState = serde_json::from_str(&written).expect("and read");
    assert_eq!(serde_json::to_string(&read).expect("again"), written);
}

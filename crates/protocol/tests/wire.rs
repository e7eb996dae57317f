//! The golden lines under `tests/fixtures/wire`: readable for ever.
#![cfg(test)]

use protocol::{DecodeError, Kind, Line, Origin, Prune, Record, StateScope};

const MESSAGES: &str = include_str!("../../../tests/fixtures/wire/messages.ndjson");
const FOREIGN: &str = include_str!("../../../tests/fixtures/wire/foreign.ndjson");

#[test]
fn every_message_encodes_to_the_line_it_was_decoded_from() {
    for text in MESSAGES.lines() {
        let mut out = Vec::new();
        Line::parse(text.as_bytes()).unwrap().message().unwrap().encode(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), format!("{text}\n"));
    }
}

#[test]
fn foreign_lines_are_understood() {
    let lines: Vec<Line<'_>> =
        FOREIGN.lines().map(|line| Line::parse(line.as_bytes()).unwrap()).collect();
    let first = lines[0].record().unwrap();
    assert_eq!(
        first.data.get(),
        r#"{"id":"cus_1","b":1.10,"a":12345678901234567890,"z":"\u0000\ud800 é é","e":1E3,"m":-0}"#
    );
    let second = lines[1].record().unwrap();
    assert_eq!((second.stream.as_ref(), second.origin), ("customers", Some(Origin::Event)));
    assert_eq!(lines[2].state().unwrap().scope, StateScope::Stream("customers".to_owned()));
    assert_eq!((lines[4].kind, lines[4].type_name()), (Kind::Unknown, "trace"));
    assert!(lines[5].source_input().is_some());
    assert!(lines[6].message().is_ok());
}

#[test]
fn a_record_keeps_its_bytes() {
    let line = br#"{"type":"record","record":{"stream":"items","data":{"id":"a","n":1.10},"emitted_at":"2026-01-01T00:00:00.000Z"},"_origin":"fetch","_prune":[{"stream":"x","where":{"p":"a"},"keep":["b"]}]}"#;
    let record = Line::parse(line).unwrap().record().unwrap();
    assert_eq!(record.prune[0].keep, ["b"]);
    let mut out = Vec::new();
    record.encode(&mut out);
    assert_eq!(out.strip_suffix(b"\n").unwrap(), line);
    assert_eq!(protocol::peek_record_stream(line), Some("items"));
}

#[test]
fn a_thousand_levels_of_nesting_are_data() {
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let line = format!(
        r#"{{"type":"record","record":{{"stream":"s","data":{{"a":{deep}}},"emitted_at":""}}}}"#
    );
    assert!(Line::parse(line.as_bytes()).unwrap().record().unwrap().data.get().contains(&deep));
}

#[test]
fn what_is_no_message_says_why() {
    let error = |line: &str| match Line::parse(line.as_bytes()) {
        Err(error) => error.to_string(),
        Ok(line) if line.kind == Kind::Record => line.record().unwrap_err().to_string(),
        Ok(line) => line.message().unwrap_err().to_string(),
    };
    assert!(error("[]").starts_with("not a protocol message"), "{}", error("[]"));
    assert!(error("{}").contains("missing field `type`"));
    assert_eq!(error(r#"{"type":"record"}"#), "a `record` message without its `record` field");
    assert!(error(r#"{"type":"record","record":{"stream":"s","data":[]}}"#).contains("no object"));
    assert!(error(r#"{"type":"source_state","source_state":{"data":{}}}"#).contains("`stream`"));
    assert!(matches!(
        Line::parse(br#"{"type":"trace"}"#).unwrap().message(),
        Err(DecodeError::Unexpected(kind)) if kind == "trace"
    ));
}

#[test]
fn what_is_no_text_is_no_message_even_where_it_would_be_skipped() {
    let line = b"{\"type\":\"log\",\"later\":\"\xfe\",\"_ts\":\"2026-11-20T07:26:39Z\"}";
    let error = Line::parse(line).unwrap_err().to_string();
    assert!(error.contains("utf-8"), "{error}");
}

#[test]
fn a_stamp_goes_into_the_envelope() {
    let line = protocol::stamp_line(
        br#"{"type":"log","log":{"level":"info","message":"x"}}"#,
        "source/stripe",
        protocol::Timestamp::from_seconds(0),
    );
    assert_eq!(
        String::from_utf8(line).unwrap(),
        r#"{"type":"log","log":{"level":"info","message":"x"},"_emitted_by":"source/stripe","_ts":"1970-01-01T00:00:00.000Z"}"#
    );
}

#[test]
fn a_line_that_is_stamped_or_ends_in_blanks_is_stamped_once() {
    let stamp = |line: &[u8]| protocol::stamp_line(line, "engine", protocol::Timestamp::EPOCH);
    let line = br#"{"log":{"level":"info","message":"a \"_ts\" in it","n":1.10},"type":"log"}"#;
    let stamped = stamp(line);
    assert_eq!(stamp(&stamped), stamped);
    assert_eq!(stamp(&[&line[..], b" \r"].concat()), stamped);
    assert!(Line::parse(&stamped).unwrap().message().is_ok());
}

#[test]
fn a_secret_that_reaches_over_the_end_of_an_excerpt_is_masked() {
    let filler = "x".repeat(170);
    let line = format!(r#"{{"{filler}":"postgres://me:correct-horse@db/x and more of it"}}"#);
    let shown = protocol::excerpt(line.as_bytes());
    assert!(shown.contains("postgres://me:…@db") && shown.ends_with('…'), "{shown}");
    assert_eq!(protocol::excerpt("é".repeat(150).as_bytes()), "é".repeat(100) + "…");
    assert_eq!(protocol::excerpt(b"short"), "short");
}

#[test]
fn prunes_are_named_as_on_the_wire() {
    let prune: Prune = serde_json::from_str(r#"{"stream":"s","where":{},"keep":[]}"#).unwrap();
    assert_eq!(serde_json::to_string(&prune).unwrap(), r#"{"stream":"s","where":{},"keep":[]}"#);
    let record = |stream: &'static str| Record {
        stream: stream.into(),
        data: serde_json::from_str("{}").unwrap(),
        emitted_at: "".into(),
        origin: None,
        prune: Vec::new(),
    };
    let mut out = Vec::new();
    record("a\"b").encode(&mut out);
    assert_eq!(Line::parse(out.trim_ascii_end()).unwrap().record().unwrap().stream, "a\"b");
}

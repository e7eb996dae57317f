use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::scan::members;
use crate::{Kind, Line};

/// What a line says, as far as a destination cares.
type Said = (String, String, Option<Origin>, Vec<Prune>, Vec<(String, String, usize, usize)>);

fn read(line: &[u8]) -> Option<Said> {
    let mut reader = RecordReader::default();
    let record = reader.read(line)?;
    let found = record.members().map(plain).collect();
    let (stream, data) = (record.stream.to_owned(), record.data.to_owned());
    Some((stream, data, record.origin, record.prune, found))
}

fn read_in_general(line: &[u8]) -> Option<Said> {
    let line = Line::parse(line).ok()?;
    let record = (line.kind == Kind::Record).then(|| line.record().ok())??;
    let data = record.data.get();
    let found = members(data).map(plain).collect();
    Some((record.stream.into_owned(), data.to_owned(), record.origin, record.prune, found))
}

fn plain(member: Member<'_>) -> (String, String, usize, usize) {
    (member.key().into_owned(), member.value.to_owned(), member.start, member.end)
}

fn line(data: &str) -> String {
    format!(
        r#"{{"type":"record","record":{{"stream":"items","data":{data},"emitted_at":"t"}},"_origin":"list"}}"#
    )
}

#[test]
fn lines_as_they_are_written_are_read_quickly() {
    let own = r#"{"id":"a","n":1.10,"o":{"x":[1,-0.5e+9,{"y":null}]},"q":"\"\u00e9\\","t":true,"f":false}"#;
    let lines = [
        line(own),
        line("{}"),
        r#" { "type" : "record" , "record" : { "data" : { "a" : [ ] } , "stream" : "s" } } "#.to_owned(),
        r#"{"record":{"emitted_at":"","stream":"s","data":{"a":1}},"_prune":[{"stream":"c","where":{"p":1},"keep":["k"]}],"type":"record"}"#.to_owned(),
        line(r#"{"a":{},"a":2,"\u0061":3,"é😀":"\ud800"}"#),
    ];
    for line in lines {
        let said = read(line.as_bytes());
        assert!(said.is_some(), "{line}");
        assert_eq!(said, read_in_general(line.as_bytes()), "{line}");
    }
}

#[test]
fn other_lines_are_left_to_others() {
    let deep = format!("{}1{}", "[".repeat(1000), "]".repeat(1000));
    let lines = [
        r#"{"type":"source_state","source_state":{"stream":"a","data":{}}}"#.to_owned(),
        r#"{"type":"record","record":{"stream":"a","data":[]}}"#.to_owned(),
        r#"{"type":"record","record":{"stream":"a"}}"#.to_owned(),
        r#"{"type":"record","record":{"stream":null,"data":{}}}"#.to_owned(),
        r#"{"record":{"stream":"a","data":{}}}"#.to_owned(),
        line("{}").replace("\"items\"", "\"it\\u0065ms\""),
        line(&format!("{{\"a\":{deep}}}")),
        line("{}") + "{}",
    ];
    for line in lines {
        assert_eq!(read(line.as_bytes()), None, "{line}");
    }
}

#[test]
fn what_is_no_json_is_read_by_nobody() {
    let values = [
        "01",
        "1.",
        "-",
        "+1",
        "1e",
        ".5",
        "tru",
        "nul",
        "[1,]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{,}",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\t\"",
        "\"",
        "{\"a\":1,}",
        "NaN",
        "",
        "1,",
        "[}",
        "'a'",
    ];
    for value in values {
        let line = line(&format!("{{\"v\":{value}}}"));
        assert_eq!(read(line.as_bytes()), None, "{value}");
        assert_eq!(read_in_general(line.as_bytes()), None, "{value}");
    }
    let mut bad = line("{\"v\":\"é\"}").into_bytes();
    let at = bad.iter().position(|byte| *byte == 0xC3).unwrap();
    bad.remove(at);
    assert_eq!((read(&bad), read_in_general(&bad)), (None, None));
}

#[test]
fn an_escape_is_seen_wherever_it_stands() {
    let mut reader = RecordReader::default();
    for (data, has_one) in [
        (r#"{"a":"\\u0000"}"#, false),
        (r#"{"a":"\\\u0000"}"#, true),
        (r#"{"a":[{"\u0062":1}]}"#, true),
        (r#"{"a":"\n\"\\"}"#, false),
    ] {
        let line = line(data);
        assert_eq!(reader.read(line.as_bytes()).unwrap().has_unicode_escape, has_one, "{data}");
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[\\x00-\\x20\"\\\\a]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map("[a-c\"é]{0,3}", inner, 0..5)
                .prop_map(|members| json!(members)),
        ]
    })
}

fn any_line() -> impl Strategy<Value = String> {
    let fields = proptest::collection::vec(("[a-d_\"\\\\]{0,3}", any_value()), 0..6);
    (fields, 0..6_usize, any::<bool>()).prop_map(|(fields, order, spaced)| {
        let fields: Vec<String> = fields
            .iter()
            .map(|(name, value)| {
                let value = if spaced { format!("{value:#}") } else { value.to_string() };
                format!("{}:{}", Value::from(name.as_str()), value.replace('\n', " "))
            })
            .collect();
        let data = format!("\"data\":{{{}}}", fields.join(","));
        let mut payload = ["\"stream\":\"items\"", &data, "\"emitted_at\":\"t\""];
        payload.rotate_left(order % 3);
        let payload = format!("\"record\":{{{}}}", payload.join(","));
        let mut envelope = [r#""type":"record""#, &payload, r#""_origin":"event""#];
        envelope.rotate_left(order / 2);
        format!("{{{}}}", envelope.join(","))
    })
}

proptest! {
    #[test]
    fn every_usual_line_is_read_quickly_and_as_it_is_in_general(line in any_line()) {
        let said = read(line.as_bytes());
        prop_assert!(said.is_some(), "{}", line);
        prop_assert_eq!(said, read_in_general(line.as_bytes()));
    }

    #[test]
    fn a_line_with_a_fault_is_read_as_it_is_in_general_or_not_at_all(
        line in any_line(),
        at in any::<prop::sample::Index>(),
        what in prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            prop::sample::select(b"{}[]\",:\\0-.eu \t1atn".to_vec()).prop_map(|byte| vec![byte]),
            Just(Vec::new()),
        ],
        taken in 0..3_usize,
    ) {
        let mut line = line.into_bytes();
        let at = at.index(line.len());
        let end = (at + taken).min(line.len());
        line.splice(at..end, what);
        if let Some(said) = read(&line) {
            prop_assert_eq!(Some(said), read_in_general(&line));
        }
    }
}

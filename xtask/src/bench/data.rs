//! Made-up records of four streams, the same in every run.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use serde_json::{Map, Value, json};

pub(super) const STREAMS: [&str; 4] = ["customers", "charges", "invoices", "refunds"];
/// Records of each stream where there are many streams.
const FEW: usize = 400;
/// Objects of five megabytes.
const HUGE: usize = 20;

/// A small generator: what it gives depends on nothing but how often it was asked.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 24
    }

    fn words(&mut self, count: usize) -> String {
        let words: Vec<String> = (0..count).map(|_| format!("{:x}", self.next())).collect();
        words.join(" ")
    }
}

/// The configured catalog of some streams.
pub(super) fn catalog(streams: &[String]) -> Value {
    let mut properties = Map::new();
    for number in 0..8 {
        properties.insert(format!("int_{number}"), json!({"type": "integer"}));
        properties.insert(format!("text_{number}"), json!({"type": ["string", "null"]}));
    }
    for number in 0..4 {
        properties.insert(format!("object_{number}"), json!({"type": "object"}));
        properties.insert(format!("flag_{number}"), json!({"type": "boolean"}));
    }
    properties.insert("deleted".to_owned(), json!({"type": ["boolean", "null"]}));
    let stream = |name: &String| {
        json!({
            "stream": {
                "name": name, "primary_key": [["id"]], "newer_than_field": "_updated_at",
                "soft_delete_field": "deleted", "json_schema": {"properties": properties},
            },
            "sync_mode": "full_refresh", "destination_sync_mode": "append",
        })
    };
    json!({"streams": streams.iter().map(stream).collect::<Vec<_>>()})
}

/// Names of many streams.
pub(super) fn many() -> Vec<String> {
    (0..60).map(|number| format!("stream_{number:02}")).collect()
}

fn document(number: usize, random: &mut Random) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("id".to_owned(), json!(format!("obj_{:08x}{number:08}", random.next() >> 8)));
    for number in 0..8 {
        object.insert(format!("int_{number}"), json!(random.next() % 1_000_000_000));
        let text = if number % 3 == 0 { Value::Null } else { json!(random.words(4)) };
        object.insert(format!("text_{number}"), text);
    }
    for number in 0..4 {
        let nested = json!({"a": random.words(3), "b": [1, 2.5, "x"], "c": random.next() % 99});
        object.insert(format!("object_{number}"), nested);
        object.insert(format!("flag_{number}"), json!(random.next().is_multiple_of(2)));
    }
    object
}

/// The files of a run: records new, unchanged with stamps an hour newer, changed; those new ones in
/// one stream; and the documents of all, bare, before and after.
pub(super) fn write(folder: &Path, count: usize) -> std::io::Result<()> {
    let file = |name: &str| File::create(folder.join(name)).map(BufWriter::new);
    let (mut new, mut same, mut changed) = (file("insert")?, file("unchanged")?, file("update")?);
    let (mut lone, mut bare, mut after) = (file("one stream")?, file("bare")?, file("after")?);
    let mut random = Random(7);
    for (number, stream) in (0..count).zip(STREAMS.iter().cycle()) {
        let mut document = document(number, &mut random);
        writeln!(bare, "{}", json!(document))?;
        writeln!(new, "{}", record(stream, &document, 1_000))?;
        writeln!(lone, "{}", record("customers", &document, 1_000))?;
        writeln!(same, "{}", record(stream, &document, 4_600))?;
        document.insert("int_0".to_owned(), json!(number));
        writeln!(after, "{}", json!(document))?;
        writeln!(changed, "{}", record(stream, &document, 8_200))?;
    }
    for mut file in [new, same, changed, lone, bare, after] {
        file.flush()?;
    }
    Ok(())
}

/// The files by which memory is measured: many streams in turns, and objects of five megabytes.
pub(super) fn write_for_memory(folder: &Path) -> std::io::Result<()> {
    let file = |name: &str| File::create(folder.join(name)).map(BufWriter::new);
    let (mut streams, mut huge) = (file("60 streams")?, file("5 MB objects")?);
    let (names, mut random) = (many(), Random(11));
    for number in 0..FEW.saturating_mul(names.len()) {
        let document = document(number, &mut random);
        let stream = names.get(number % names.len()).map_or("", String::as_str);
        writeln!(streams, "{}", record(stream, &document, 1_000))?;
    }
    for number in 0..HUGE {
        let mut document = document(number, &mut random);
        document.insert("text_0".to_owned(), json!("lorem ipsum ".repeat(420_000)));
        writeln!(huge, "{}", record("customers", &document, 1_000))?;
    }
    streams.flush()?;
    huge.flush()
}

fn record(stream: &str, document: &Map<String, Value>, stamp: u64) -> String {
    let mut document = document.clone();
    document.insert("_updated_at".to_owned(), json!(stamp));
    format!(
        "{{\"type\":\"record\",\"record\":{{\"stream\":\"{stream}\",\"data\":{},\
         \"emitted_at\":\"2026-01-01T00:00:00.000Z\"}},\"_origin\":\"list\"}}",
        json!(document)
    )
}

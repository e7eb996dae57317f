//! The documents name what is there.

use std::collections::BTreeSet;

const DOCUMENTS: [&str; 9] = [
    "architecture.md",
    "protocol.md",
    "operations.md",
    "add-a-connector.md",
    "stripe-assumptions.md",
    "stripe-errors.md",
    "decisions.md",
    "performance.md",
    "changelog.md",
];

fn read(path: &str) -> String {
    std::fs::read_to_string(super::root().join(path)).unwrap_or_else(|error| {
        panic!("reading `{path}`: {error}");
    })
}

#[test]
fn every_document_is_there_and_shown_in_the_readme() {
    let readme = read("README.md");
    let there = std::fs::read_dir(super::root().join("docs")).unwrap();
    let there: BTreeSet<String> =
        there.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(there, DOCUMENTS.map(str::to_owned).into(), "docs/ and the list of this file");
    for name in DOCUMENTS {
        assert!(read(&format!("docs/{name}")).len() > 200, "docs/{name} says something");
        assert!(readme.contains(&format!("](docs/{name})")), "README.md leads to docs/{name}");
    }
}

#[test]
fn architecture_names_every_package() {
    let text = read("docs/architecture.md");
    for folder in ["crates", "bins"] {
        for entry in std::fs::read_dir(super::root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            let place = format!("`{folder}/{name}`");
            assert!(text.contains(&place), "docs/architecture.md has no paragraph on {place}");
        }
    }
}

#[test]
fn the_connectors_that_a_newcomer_is_shown_are_those_that_are_tested() {
    let text = read("docs/add-a-connector.md");
    for name in ["source-hello", "destination-shelf"] {
        let path = format!("crates/connector/examples/{name}.rs");
        let file = read(&path);
        let (_, code) = file.split_once("\n\n").expect("the module's document, then code");
        let shown = format!("```rust\n{code}```");
        assert!(text.contains(&shown), "docs/add-a-connector.md does not show {path} as it is");
    }
}

#[test]
fn protocol_shows_every_message() {
    let text = read("docs/protocol.md");
    let golden = read("tests/fixtures/wire/messages.ndjson");
    for line in golden.lines() {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        let kind = message["type"].as_str().unwrap();
        assert!(text.contains(&format!("`{kind}`")), "docs/protocol.md does not explain `{kind}`");
    }
}

#[test]
fn every_example_line_of_the_protocol_document_decodes() {
    let text = read("docs/protocol.md");
    let examples: Vec<&str> =
        text.lines().map(str::trim).filter(|line| line.starts_with("{\"type\":")).collect();
    assert!(examples.len() >= 10, "the document shows examples");
    for example in examples {
        let line = protocol::Line::parse(example.as_bytes());
        let line = line.unwrap_or_else(|error| panic!("{example}: {error}"));
        let decoded = match line.kind {
            protocol::Kind::Record => line.record().map(drop),
            protocol::Kind::SourceInput | protocol::Kind::Unknown => Ok(()),
            protocol::Kind::SourceState
            | protocol::Kind::StreamStatus
            | protocol::Kind::ConnectionStatus
            | protocol::Kind::Control
            | protocol::Kind::Log
            | protocol::Kind::Spec
            | protocol::Kind::Catalog
            | protocol::Kind::Progress
            | protocol::Kind::Eof => line.message().map(drop),
        };
        assert!(decoded.is_ok(), "{example}: {decoded:?}");
    }
}

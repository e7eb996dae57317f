//! What the documents tell people to type is what the programs take.

use std::collections::{BTreeMap, BTreeSet};

use testkit::program::Program;

use crate::connector::{ALL, spec};

const DOCUMENTS: [(&str, &str); 4] = [
    ("README.md", include_str!("../../README.md")),
    ("docs/operations.md", include_str!("../../docs/operations.md")),
    ("docs/protocol.md", include_str!("../../docs/protocol.md")),
    ("docs/add-a-connector.md", include_str!("../../docs/add-a-connector.md")),
];
const ENGINE: &str = "sync-engine";

/// A program with its subcommands, and the flags that follow.
type CommandLine = (Vec<String>, BTreeSet<String>);

/// What stands between backticks, in fences or indented.
fn fragments(text: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced || line.starts_with("    ") {
            found.push(line);
        } else {
            found.extend(line.split('`').skip(1).step_by(2));
        }
    }
    found
}

fn is_subcommand(word: &str) -> bool {
    !word.starts_with('-') && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
}

fn command_lines(fragment: &str) -> Vec<CommandLine> {
    let mut found = Vec::new();
    for part in fragment.split(['|', ';', '#', '>', '&']) {
        let mut words = part.split_whitespace().skip_while(|word| {
            let name = word.rsplit('/').next().unwrap_or_default();
            name != ENGINE && !ALL.contains(&name)
        });
        let Some(program) = words.next() else { continue };
        let name = program.rsplit('/').next().unwrap_or_default().to_owned();
        let rest: Vec<&str> = words.collect();
        let commands = rest.iter().take_while(|word| is_subcommand(word));
        let command = std::iter::once(name).chain(commands.map(|&word| word.to_owned()));
        let flags = rest.iter().map(|word| word.trim_matches(['[', ']']));
        let flags = flags.filter(|word| word.starts_with("--"));
        let flags = flags.filter_map(|word| word.split('=').next()).map(str::to_owned);
        found.push((command.collect(), flags.collect()));
    }
    found
}

/// The words of a `--help`.
async fn help(command: &[String]) -> BTreeSet<String> {
    let (name, rest) = command.split_first().unwrap();
    let run = Program::named(name).args(rest).arg("--help").run("").await;
    assert_eq!(run.code(), Some(0), "`{}`: {}", command.join(" "), run.stderr);
    let is_part = |c: char| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c);
    run.stdout.split(|c| !is_part(c)).map(str::to_owned).collect()
}

/// The keys of every connector's configuration, as flags of the engine.
async fn keys() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for name in ALL {
        let side = if name.starts_with("source-") { "source" } else { "destination" };
        let spec = spec(name).await;
        let properties = spec["config"]["properties"].as_object().unwrap();
        keys.extend(properties.keys().map(|key| format!("--{side}.{key}")));
    }
    keys
}

#[tokio::test]
async fn every_command_that_a_document_shows_is_taken() {
    let keys = keys().await;
    let shown: Vec<(&str, CommandLine)> = DOCUMENTS
        .into_iter()
        .flat_map(|(document, text)| fragments(text).into_iter().map(move |part| (document, part)))
        .flat_map(|(document, part)| command_lines(part).into_iter().map(move |c| (document, c)))
        .collect();
    assert!(shown.len() > 30, "the documents show commands: {}", shown.len());
    let mut helps = BTreeMap::new();
    for (_, (command, _)) in &shown {
        helps.insert(command, help(command).await);
    }
    let mut wrong = Vec::new();
    for (document, (command, flags)) in &shown {
        let unknown = flags.iter().filter(|&flag| !helps[command].contains(flag));
        let unknown = unknown.filter(|&flag| !keys.contains(flag));
        wrong.extend(unknown.map(|flag| format!("{document}: `{} {flag}`", command.join(" "))));
    }
    assert!(wrong.is_empty(), "shown and not taken: {wrong:#?}");
}

#[tokio::test]
async fn every_key_of_a_configuration_says_what_it_is() {
    for name in ALL {
        let spec = spec(name).await;
        for (key, schema) in spec["config"]["properties"].as_object().unwrap() {
            let text = schema["description"].as_str().unwrap_or_default();
            assert!(text.len() >= 10, "{name}: `{key}` has no description");
        }
    }
}

//! `sync-engine state …`: how far a pipeline got, shown, forgotten, carried elsewhere.

use engine::{Failure, Keeper};
use protocol::{SourceState, SyncState, exit};
use serde_json::{Value, json};

use crate::cli::{StateCommand, StateOf};
use crate::given_keys::GivenKeys;
use crate::session;
use crate::settings::document;
use crate::surroundings::Surroundings;
use crate::table;

/// Does what is asked; returns the exit status.
pub(crate) async fn run(
    command: &StateCommand,
    keys: GivenKeys,
    surroundings: &Surroundings,
) -> Result<u8, Failure> {
    let of = match command {
        StateCommand::Show(of) | StateCommand::Reset(of) | StateCommand::Export(of) => of,
        StateCommand::Import { of, .. } => of,
    };
    let imported = match command {
        StateCommand::Import { document: text, .. } => Some(read(text)?),
        StateCommand::Show(_) | StateCommand::Reset(_) | StateCommand::Export(_) => None,
    };
    let keeper = session::keeper(&of.connection, &of.state, keys, surroundings);
    let mut keeper = Box::pin(keeper).await?;
    let streams = (!of.stream.is_empty()).then_some(of.stream.as_slice());
    match (command, imported) {
        (StateCommand::Show(_), _) => show(&mut keeper, of).await,
        (StateCommand::Export(_), _) => {
            let mut state = keeper.export().await?;
            narrow(&mut state.source, of);
            Ok(crate::print(&format!("{}\n", json!(state))))
        }
        (StateCommand::Reset(_), _) => {
            let count = keeper.reset(streams).await?;
            Ok(said(&format!("{count} streams of {} begin afresh next time", keeper.pipeline)))
        }
        (StateCommand::Import { .. }, state) => {
            let count = keeper.import(state.unwrap_or_default(), streams).await?;
            Ok(said(&format!("{count} streams of {} go on from there", keeper.pipeline)))
        }
    }
}

fn said(line: &str) -> u8 {
    crate::say(line);
    exit::OK
}

async fn show(keeper: &mut Keeper, of: &StateOf) -> Result<u8, Failure> {
    let mut state = keeper.export().await?;
    narrow(&mut state.source, of);
    let mut rows: Vec<Vec<String>> = state
        .source
        .streams
        .iter()
        .map(|(name, state)| vec![name.clone(), state.get().to_owned()])
        .collect();
    rows.extend(
        state
            .source
            .global
            .iter()
            .map(|state| vec!["(the whole source)".to_owned(), state.get().to_owned()]),
    );
    let head = format!("pipeline {}, state in {}\n", keeper.pipeline, keeper.describe());
    if rows.is_empty() {
        return Ok(crate::print(&format!("{head}nothing is known; the next run begins afresh\n")));
    }
    Ok(crate::print(&format!("{head}{}", table::render(&["stream", "state"], &rows))))
}

fn narrow(source: &mut SourceState, of: &StateOf) {
    if !of.stream.is_empty() {
        source.streams.retain(|name, _| of.stream.contains(name));
        source.global = None;
    }
}

/// A whole state, the last message of a run that holds one, or a source's own.
pub(crate) fn read(text: &str) -> Result<SyncState, Failure> {
    let value: Value = document("the state", text)?;
    let value = match value.get("eof").and_then(|eof| eof.get("ending_state")) {
        Some(state) => state.clone(),
        None => value,
    };
    let unreadable = |error| Failure::config(format!("reading the state: {error}"));
    if value.get("source").is_some() {
        return serde_json::from_value(value).map_err(unreadable);
    }
    if value.get("streams").is_none() {
        return Err(Failure::config(
            "reading the state: it has neither `source` nor `streams`; give what `state export` wrote",
        ));
    }
    let source = serde_json::from_value(value).map_err(unreadable)?;
    Ok(SyncState { source, ..SyncState::default() })
}

//! Values of flags: inline JSON, a file, or stdin.

use std::collections::BTreeMap;
use std::io::Read as _;

use protocol::{ConfiguredCatalog, SourceState};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::error::Error;

/// The text behind a flag: the value itself when it begins with `{` or `[`, stdin for `-`, else a
/// file's content (`/dev/fd/N` is one).
///
/// # Errors
///
/// When the file cannot be read.
pub(crate) fn text(flag: &str, value: &str) -> Result<String, Error> {
    let value = value.trim();
    if value.starts_with(['{', '[']) {
        return Ok(value.to_owned());
    }
    let mut text = String::new();
    let read = if value == "-" {
        std::io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(value).and_then(|mut file| file.read_to_string(&mut text))
    };
    let name = if value == "-" { "stdin" } else { value };
    read.map_err(|error| {
        Error::config(format!("reading {flag} from `{name}`"))
            .caused_by(error)
            .hint(format!("{flag} takes inline JSON, a file, or - for stdin"))
    })?;
    Ok(text)
}

/// Reads `--config`.
pub(crate) fn config(value: &str) -> Result<Map<String, Value>, Error> {
    parse("--config", &text("--config", value)?)
}

/// Reads `--catalog`.
pub(crate) fn catalog(value: &str) -> Result<ConfiguredCatalog, Error> {
    parse("--catalog", &text("--catalog", value)?)
}

/// Reads `--state`: `{"streams":{…},"global":{…}}`, or a flat map of streams. Nothing is no state.
pub(crate) fn state(value: Option<&str>) -> Result<SourceState, Error> {
    let text = value.map(|value| text("--state", value)).transpose()?.unwrap_or_default();
    if text.trim().is_empty() {
        return Ok(SourceState::default());
    }
    let flat: BTreeMap<String, Box<RawValue>> = parse("--state", &text)?;
    if !flat.contains_key("streams") {
        return Ok(SourceState { streams: flat, global: None });
    }
    parse("--state", &text)
}

fn parse<T: DeserializeOwned>(flag: &str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| {
        Error::config(format!("reading {flag}, which is not the JSON it should be"))
            .caused_by(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_map_of_streams_is_a_state() {
        let state = state(Some(r#"{"customers":{"n":1.10}}"#)).unwrap();
        assert_eq!(state.streams["customers"].get(), r#"{"n":1.10}"#);
    }

    #[test]
    fn an_empty_global_state_is_none() {
        let state = state(Some(r#"{"streams":{},"global":{ }}"#)).unwrap();
        assert!(state.is_empty());
        assert!(super::state(None).unwrap().is_empty());
    }

    #[test]
    fn a_state_that_is_cut_is_one_clear_error() {
        let error = state(Some(r#"{"streams":{"customers":{"rem"#)).unwrap_err().report();
        assert!(
            error.starts_with("reading --state, which is not the JSON it should be: EOF"),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = config("/no/such/file.json").unwrap_err().report();
        assert!(
            error.contains("reading --config from `/no/such/file.json`: No such file"),
            "{error}"
        );
    }
}

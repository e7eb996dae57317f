//! What a user writes.

use std::path::PathBuf;

use connector::{BatchLimits, Deletes, Error, WriteConfig};
use protocol::Spec;
use serde::Deserialize;
use serde_json::json;

/// The configuration as written; the spec's schema says what each key means.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    path: String,
    #[serde(flatten)]
    writing: WriteConfig,
}

/// The configuration checked and in the form that the rest uses.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) path: PathBuf,
    pub(crate) limits: BatchLimits,
    pub(crate) echo_records: bool,
    pub(crate) run_id: Option<String>,
    pub(crate) deletes: Deletes,
}

impl Options {
    pub(crate) fn of(config: Config) -> Result<Self, Error> {
        // What SQLite would take as a database in memory or in a temporary file is gone at the exit.
        if config.path.trim().is_empty() || config.path == ":memory:" || config.path.contains('\0')
        {
            let path = config.path.escape_debug();
            return Err(Error::config(format!("reading --config: `path` is `{path}`, no file"))
                .hint("give the path of a file, such as ./stripe.db"));
        }
        Ok(Self {
            path: PathBuf::from(config.path),
            limits: config.writing.limits(),
            echo_records: config.writing.echo_records,
            run_id: config.writing.run_id,
            deletes: config.writing.deletes,
        })
    }
}

/// The JSON Schema of the configuration.
pub(crate) fn spec() -> Spec {
    let mut properties = WriteConfig::properties();
    let path = json!({
        "type": "string",
        "minLength": 1,
        "examples": ["./stripe.db"],
        "description": "The SQLite file that holds the tables; made if it is missing",
    });
    properties.insert("path".to_owned(), path);
    Spec::new(json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": ["path"],
        "additionalProperties": false,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(config: serde_json::Value) -> Result<Options, Error> {
        Options::of(serde_json::from_value(config).unwrap())
    }

    #[test]
    fn defaults_need_no_more_than_a_path() {
        let options = options(json!({"path": "./stripe.db"})).unwrap();
        assert_eq!((options.limits, options.echo_records), (BatchLimits::default(), false));
    }

    #[test]
    fn the_old_name_of_batch_rows_is_understood() {
        assert_eq!(options(json!({"path": "a", "batch_size": 7})).unwrap().limits.rows, 7);
    }

    #[test]
    fn what_would_be_gone_at_the_exit_is_no_path() {
        for path in ["", " ", ":memory:", "a\0b"] {
            let report = options(json!({ "path": path })).unwrap_err().report();
            assert!(report.contains("no file; give the path"), "{report}");
        }
    }

    #[test]
    fn every_key_of_the_schema_is_read_and_no_other() {
        let spec = spec().config;
        let mut keys: Vec<&String> = spec["properties"].as_object().unwrap().keys().collect();
        keys.sort();
        let read = [
            "batch_bytes",
            "batch_rows",
            "batch_size",
            "deletes",
            "echo_records",
            "flush_ms",
            "path",
            "run_id",
        ];
        assert_eq!(keys, read);
        for key in read {
            let of_no_type_that_any_has = json!({"path": "a", key: {}});
            assert!(serde_json::from_value::<Config>(of_no_type_that_any_has).is_err(), "{key}");
        }
    }
}

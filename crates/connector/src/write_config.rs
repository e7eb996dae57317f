//! Configuration keys that every destination of tables has in common.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::batch::BatchLimits;

/// How records are gathered and written. Goes into a destination's own configuration by
/// `#[serde(flatten)]`, and into its spec by [`WriteConfig::properties`].
#[derive(Debug, Clone, Default, Deserialize)]
pub struct WriteConfig {
    batch_bytes: Option<usize>,
    #[serde(alias = "batch_size")]
    batch_rows: Option<usize>,
    flush_ms: Option<u64>,
    /// Whether each record is written back to stdout once it is stored.
    #[serde(default)]
    pub echo_records: bool,
    /// Name of the engine's run, noted beside the tables with the first rows it writes.
    pub run_id: Option<String>,
    /// What becomes of a row whose object was deleted.
    #[serde(default)]
    pub deletes: Deletes,
}

/// What becomes of a row whose object was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deletes {
    /// It is marked.
    #[default]
    Soft,
    /// It is removed; its key and stamp stay in a tombstone for a while.
    Hard,
}

impl WriteConfig {
    /// How much to gather for one load.
    #[must_use]
    pub fn limits(&self) -> BatchLimits {
        let defaults = BatchLimits::default();
        BatchLimits {
            bytes: self.batch_bytes.unwrap_or(defaults.bytes).max(1),
            rows: self.batch_rows.unwrap_or(defaults.rows).max(1),
            flush_ms: self.flush_ms.unwrap_or(defaults.flush_ms),
        }
    }

    /// The keys as properties of a JSON Schema.
    #[must_use]
    pub fn properties() -> Map<String, Value> {
        let limits = BatchLimits::default();
        let properties = json!({
            "batch_bytes": {
                "type": "integer",
                "minimum": 1,
                "default": limits.bytes,
                "description": "Bytes of documents gathered before they are written",
            },
            "batch_rows": {
                "type": "integer",
                "minimum": 1,
                "default": limits.rows,
                "description": "Records of one stream gathered before they are written",
            },
            "batch_size": {
                "type": "integer",
                "minimum": 1,
                "description": "Older name of `batch_rows`",
            },
            "flush_ms": {
                "type": "integer",
                "minimum": 0,
                "default": limits.flush_ms,
                "description": "Longest time in milliseconds that a state waits while input keeps coming",
            },
            "deletes": {
                "type": "string",
                "enum": ["soft", "hard"],
                "default": "soft",
                "description": "What becomes of a row whose object was deleted: marked (soft), or removed (hard), with its key kept for 30 days so that nothing older brings it back",
            },
            "echo_records": {
                "type": "boolean",
                "default": false,
                "description": "Write each record back to stdout once it is stored, for engines that count them",
            },
            "run_id": {
                "type": "string",
                "description": "Name of the engine's run, noted beside the tables with the first rows it writes",
            },
        });
        properties.as_object().cloned().unwrap_or_default()
    }
}

//! What a connector says about its configuration.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A connector's own description.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// JSON Schema 2020-12 of the configuration: flat, closed, secrets marked `writeOnly`.
    pub config: Value,
    /// JSON Schema of one stream's state, from a source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_state_stream: Option<Value>,
    /// JSON Schema of what a source takes on stdin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_input: Option<Value>,
    /// Share of the time limit after which the source is stopped so that this destination can drain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_limit_fraction: Option<f64>,
    /// Whether this source wants every confirmed state written back to its stdin.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub acks: bool,
    /// Whether this destination knows `setup --dry-run`, which tells what setup would do and does
    /// nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub setup_dry_run: bool,
}

impl Spec {
    /// A spec with a configuration schema and nothing else.
    #[must_use]
    pub const fn new(config: Value) -> Self {
        Self {
            config,
            source_state_stream: None,
            source_input: None,
            soft_limit_fraction: None,
            acks: false,
            setup_dry_run: false,
        }
    }
}

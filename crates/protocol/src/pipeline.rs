//! What a user writes to describe a pipeline.

use serde::de::Error as _;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{SyncMode, TimeRange};

/// Whether a text may name a connector: `^[a-z0-9][a-z0-9_-]*$`.
///
/// It becomes part of a program's name, so nothing that could leave a folder is let through.
#[must_use]
pub fn is_connector_type(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(plain) && text.chars().all(|c| plain(c) || c == '_' || c == '-')
}

/// A connector's type and its configuration: `{"type": T, T: {…}}`.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectorConfig {
    /// Name of the connector, such as `stripe`.
    pub connector_type: String,
    /// Its configuration; empty when the field is absent.
    pub config: Map<String, Value>,
}

impl Serialize for ConnectorConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("type", &self.connector_type)?;
        map.serialize_entry(&self.connector_type, &self.config)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for ConnectorConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut map = Map::deserialize(deserializer)?;
        let Some(Value::String(connector_type)) = map.remove("type") else {
            return Err(D::Error::custom("a connector needs a `type`, such as \"stripe\""));
        };
        if !is_connector_type(&connector_type) {
            return Err(D::Error::custom(format!(
                "`{connector_type}` is no connector type; it is made of a-z, 0-9, `_` and `-`"
            )));
        }
        let config = match map.remove(&connector_type) {
            None => Map::new(),
            Some(Value::Object(config)) => config,
            Some(_) => {
                return Err(D::Error::custom(format!("`{connector_type}` must be an object")));
            }
        };
        if let Some(key) = map.keys().next() {
            return Err(D::Error::custom(format!(
                "unknown key `{key}` beside `type`; the configuration goes under `{connector_type}`"
            )));
        }
        Ok(Self { connector_type, config })
    }
}

/// A stream that a pipeline selects, and what it wants of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelectedStream {
    /// Name of the stream.
    pub name: String,
    /// Carried to the connectors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_mode: Option<SyncMode>,
    /// Top-level fields to keep; key and stamp stay whatever is written here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<String>>,
    /// Most records to read in one run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backfill_limit: Option<u64>,
    /// Span of time to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_range: Option<TimeRange>,
}

/// A source, a destination, and the streams between them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelineConfig {
    /// Where data comes from.
    pub source: ConnectorConfig,
    /// Where it goes.
    pub destination: ConnectorConfig,
    /// What to copy; absent or empty means the default selection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<SelectedStream>,
}

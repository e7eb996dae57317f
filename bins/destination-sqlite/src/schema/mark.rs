//! Whose data a stream holds, as the catalog says.

use protocol::Stream;
use serde_json::Value;

/// Where a stream's data comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) api_version: Option<String>,
    pub(crate) account: Option<String>,
    /// `live` or `test`.
    pub(crate) mode: Option<String>,
}

impl Mark {
    pub(crate) fn of(stream: &Stream) -> Self {
        let said = |name: &str| stream.metadata.as_ref().and_then(|facts| facts.get(name));
        let text = |name| said(name).and_then(Value::as_str).map(str::to_owned);
        let mode = said("live_mode").and_then(Value::as_bool);
        Self {
            api_version: text("api_version"),
            account: text("account_id"),
            mode: mode.map(|is_live| if is_live { "live" } else { "test" }.to_owned()),
        }
    }
}

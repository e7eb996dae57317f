//! Whose data a stream holds, as the catalog says.

use protocol::Stream;
use serde_json::Value;

/// Where a stream's data comes from; what the catalog does not say is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mark {
    /// Version of the API that the objects are of.
    pub api_version: Option<String>,
    /// The account.
    pub account: Option<String>,
    /// `live` or `test`.
    pub mode: Option<String>,
}

impl Mark {
    /// What a stream's metadata says.
    #[must_use]
    pub fn of(stream: &Stream) -> Self {
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

//! How our data files are written: one value a line, so that a difference shows as lines.

use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

/// Renders `value` with an indent of one space and a line end at the end.
pub(crate) fn pretty<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(b" "));
    value.serialize(&mut serializer)?;
    bytes.push(b'\n');
    String::from_utf8(bytes).map_err(serde::ser::Error::custom)
}

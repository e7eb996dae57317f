//! A record narrowed to the fields that were asked for; top-level keys only, values untouched.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use protocol::Record;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The record's line without the fields that are not in `keep`; `None` when all of them are.
///
/// # Errors
///
/// When the record's data cannot be read, which a line of the wire always can.
pub(crate) fn narrow(
    record: &Record<'_>,
    keep: &BTreeSet<String>,
) -> Result<Option<Vec<u8>>, serde_json::Error> {
    let fields: Fields<'_> = serde_json::from_str(record.data.get())?;
    if fields.0.iter().all(|(name, _)| keep.contains(name.as_ref())) {
        return Ok(None);
    }
    let mut data = String::from("{");
    for (name, value) in fields.0.iter().filter(|(name, _)| keep.contains(name.as_ref())) {
        if data.len() > 1 {
            data.push(',');
        }
        data.push_str(&serde_json::to_string(name)?);
        data.push(':');
        data.push_str(value.get());
    }
    data.push('}');
    let data = RawValue::from_string(data)?;
    let mut line = Vec::new();
    Record { data: &data, ..record.clone() }.encode(&mut line);
    Ok(Some(line))
}

/// Fields in their order, repeated ones included.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use protocol::Line;

    use super::*;

    fn narrowed(line: &str, keep: &[&str]) -> Option<String> {
        let keep = keep.iter().map(|name| (*name).to_owned()).collect();
        let line = Line::parse(line.as_bytes()).unwrap();
        let out = narrow(&line.record().unwrap(), &keep).unwrap();
        out.map(|line| String::from_utf8(line).unwrap())
    }

    #[test]
    fn values_and_order_stay_and_the_rest_goes() {
        let line = r#"{"type":"record","record":{"stream":"a","data":{"z":1.10,"b":{"q":[1E3]},"id":"\u0000x"},"emitted_at":"t"},"_origin":"event"}"#;
        let expected = r#"{"type":"record","record":{"stream":"a","data":{"z":1.10,"id":"\u0000x"},"emitted_at":"t"},"_origin":"event"}"#;
        assert_eq!(narrowed(line, &["id", "z"]).unwrap().trim_end(), expected);
        assert_eq!(narrowed(line, &["id", "z", "b", "more"]), None);
    }
}

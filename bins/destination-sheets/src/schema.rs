//! A stream as a tab: its columns, and whether a spreadsheet can hold it. Pure.

use std::collections::BTreeMap;

use connector::{Error, StreamPlan};
use serde_json::Value;

use crate::layout::ValueMode;

/// Characters of a tab's name.
const MOST_TITLE: usize = 100;
/// Columns of a tab (<https://support.google.com/drive/answer/37603>).
const MOST_COLUMNS: usize = 18_278;
/// Tabs of a spreadsheet.
pub(crate) const MOST_TABS: usize = 200;
/// Cells of a spreadsheet.
pub(crate) const MOST_CELLS: u64 = 10_000_000;
/// The column that tells an unchanged object without comparing it.
const HASH: &str = "_hash";

/// A stream's tab as it should be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Schema {
    pub(crate) stream: String,
    /// Key columns first.
    pub(crate) columns: Vec<Column>,
    pub(crate) key_count: usize,
    pub(crate) stamp_column: usize,
    pub(crate) hash_column: usize,
    pub(crate) deleted_column: Option<usize>,
    pub(crate) value_mode: ValueMode,
    /// Whose data it holds, if the catalog says so.
    pub(crate) account: Option<String>,
    /// `live` or `test`.
    pub(crate) mode: Option<String>,
    places: BTreeMap<String, usize>,
}

/// A column: its header, and what stands below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) content: Content,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// A part of the key.
    Key(usize),
    /// A property of the object.
    Property(Kind),
    /// The value of the stream's `newer_than_field`.
    Stamp,
    /// The hash of the object as it was written.
    Hash,
}

/// How a property is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As it is.
    Plain,
    /// Unix seconds, shown as a time.
    Time,
    /// An id, or the object in its place.
    Reference,
}

impl Schema {
    /// The tab of a stream.
    ///
    /// # Errors
    ///
    /// When no spreadsheet can hold it.
    pub(crate) fn of(plan: &StreamPlan, value_mode: ValueMode) -> Result<Self, Error> {
        let stream = plan.stream();
        let stamp = stream.newer_than_field.as_str();
        let deleted = stream.soft_delete_field.as_deref();
        let key = plan.key_columns();
        let mut columns: Vec<Column> = Vec::new();
        for (part, name) in key.iter().enumerate() {
            columns.push(Column { name: (*name).to_owned(), content: Content::Key(part) });
        }
        for (name, schema) in properties(plan) {
            if !key.contains(&name) && name != stamp && name != HASH {
                let content = Content::Property(kind(schema));
                columns.push(Column { name: name.to_owned(), content });
            }
        }
        if let Some(name) = deleted
            && !columns.iter().any(|column| column.name == name)
        {
            let content = Content::Property(Kind::Plain);
            columns.push(Column { name: name.to_owned(), content });
        }
        columns.push(Column { name: stamp.to_owned(), content: Content::Stamp });
        columns.push(Column { name: HASH.to_owned(), content: Content::Hash });
        let places: BTreeMap<String, usize> =
            columns.iter().enumerate().map(|(at, column)| (column.name.clone(), at)).collect();
        let at = |name: &str| places.get(name).copied().unwrap_or_default();
        let schema = Self {
            stream: stream.name.clone(),
            key_count: key.len(),
            stamp_column: at(stamp),
            hash_column: at(HASH),
            deleted_column: deleted.map(at),
            value_mode,
            account: fact(plan, "account_id").and_then(Value::as_str).map(str::to_owned),
            mode: fact(plan, "live_mode")
                .and_then(Value::as_bool)
                .map(|is_live| if is_live { "live" } else { "test" }.to_owned()),
            columns,
            places,
        };
        schema.check().map(|()| schema)
    }

    fn check(&self) -> Result<(), Error> {
        let (stream, count) = (&self.stream, self.columns.len());
        let title = stream.chars().count();
        if title > MOST_TITLE {
            return Err(Error::config(format!(
                "stream `{stream}`: a tab's name may have {MOST_TITLE} characters, this has {title}"
            )));
        }
        if count > MOST_COLUMNS {
            return Err(Error::config(format!(
                "stream `{stream}`: a tab may have {MOST_COLUMNS} columns, this needs {count}"
            ))
            .hint("choose some with `fields`"));
        }
        if self.places.len() != count {
            return Err(Error::config(format!("stream `{stream}`: two columns have one name"))
                .hint("leave one of them out with `fields`"));
        }
        Ok(())
    }

    /// Where the column of this name stands.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// Which part of the key this field is.
    pub(crate) fn key_part(&self, field: &str) -> Option<usize> {
        self.place(field).filter(|at| *at < self.key_count)
    }

    /// The headers, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }
}

/// The properties that are asked for, in the schema's order.
fn properties(plan: &StreamPlan) -> impl Iterator<Item = (&str, &Value)> {
    let schema = plan.stream().json_schema.as_ref();
    let all = schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    let fields = plan.configured.fields.as_ref();
    let deleted = plan.stream().soft_delete_field.as_ref();
    let is_wanted = move |name: &String| {
        fields.is_none_or(|fields| fields.contains(name)) || deleted == Some(name)
    };
    all.into_iter()
        .flatten()
        .filter(move |(name, _)| is_wanted(name))
        .map(|(name, schema)| (name.as_str(), schema))
}

fn kind(schema: &Value) -> Kind {
    if schema.get("x-expandable-reference").and_then(Value::as_bool) == Some(true) {
        return Kind::Reference;
    }
    let options = ["oneOf", "anyOf"].into_iter().filter_map(|name| schema.get(name)?.as_array());
    let mut all = options.flatten().chain([schema]);
    let is_time = all.any(|one| one.get("format").and_then(Value::as_str) == Some("unix-time"));
    if is_time { Kind::Time } else { Kind::Plain }
}

fn fact<'a>(plan: &'a StreamPlan, name: &str) -> Option<&'a Value> {
    plan.stream().metadata.as_ref()?.get(name)
}

#[cfg(test)]
mod tests {
    use protocol::ConfiguredStream;
    use serde_json::json;

    use super::*;

    fn schema(name: &str, properties: Value, fields: Option<Vec<String>>) -> Result<Schema, Error> {
        let stream = json!({
            "name": name,
            "primary_key": [["id"], ["_account_id"]],
            "newer_than_field": "_updated_at",
            "soft_delete_field": "deleted",
            "json_schema": {"properties": properties},
            "metadata": {"account_id": "acct_1", "live_mode": true},
        });
        let mut configured = ConfiguredStream::new(serde_json::from_value(stream).unwrap());
        configured.fields = fields;
        Schema::of(&StreamPlan::new(&configured).unwrap(), ValueMode::Typed)
    }

    fn some() -> Value {
        json!({
            "name": {"type": "string"}, "id": {"type": "string"},
            "created": {"oneOf": [{"type": "integer", "format": "unix-time"}, {"type": "null"}]},
            "customer": {"type": "string", "x-expandable-reference": true},
            "deleted": {"type": "boolean"}, "_account_id": {}, "_updated_at": {"type": "integer"},
        })
    }

    #[test]
    fn key_columns_come_first_and_our_own_last() {
        let schema = schema("customers", some(), None).unwrap();
        let names = schema.names();
        assert_eq!(
            names,
            ["id", "_account_id", "name", "created", "customer", "deleted", "_updated_at", "_hash"]
        );
        let kind = |at: usize| schema.columns[at].content;
        assert_eq!(kind(3), Content::Property(Kind::Time));
        assert_eq!(kind(4), Content::Property(Kind::Reference));
        assert_eq!((schema.deleted_column, schema.mode.as_deref()), (Some(5), Some("live")));
        assert_eq!((schema.key_part("_account_id"), schema.key_part("name")), (Some(1), None));
    }

    #[test]
    fn fields_choose_columns_and_never_lose_what_is_needed() {
        let schema = schema("customers", some(), Some(vec!["name".to_owned()])).unwrap();
        assert_eq!(
            schema.names(),
            ["id", "_account_id", "name", "deleted", "_updated_at", "_hash"]
        );
    }

    #[test]
    fn what_no_spreadsheet_holds_is_told_before_anything_is_written() {
        let report = |result: Result<Schema, Error>| result.unwrap_err().report();
        let long = "x".repeat(101);
        assert!(report(schema(&long, some(), None)).contains("100 characters, this has 101"));
        let many: serde_json::Map<_, _> =
            (0..18_275).map(|n| (format!("p{n}"), json!({}))).collect();
        assert!(report(schema("a", many.into(), None)).contains("18278 columns"));
    }
}

use connector::StreamPlan;
use protocol::{ConfiguredStream, Stream};
use rusqlite::types::Value as Stored;
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::*;
use crate::readable::readable;
use crate::sql::quoted;

fn stream_plan(name: &str, key: &Value, properties: &Value) -> StreamPlan {
    let stream: Stream = serde_json::from_value(json!({
        "name": name,
        "primary_key": key,
        "newer_than_field": "_updated_at",
        "json_schema": {"properties": properties},
    }))
    .unwrap();
    StreamPlan::new(&ConfiguredStream::new(stream)).unwrap()
}

fn table(properties: &Value) -> Table {
    Table::of(&stream_plan("customers", &json!([["id"], ["_account_id"]]), properties)).unwrap()
}

/// What is read back from a column of type `schema` over a document with this value in it.
fn read_back(schema: &Value, value: &str) -> Stored {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(&table(&json!({ "x": schema })).create()).unwrap();
    let document = format!(r#"{{"id":"a","x":{value}}}"#);
    insert(&connection, &document);
    connection.query_row("SELECT x FROM customers", [], |row| row.get(0)).unwrap()
}

fn insert(connection: &Connection, document: &str) {
    let statement = "INSERT INTO customers (id, _account_id, _updated_at, _raw_data, _readable_data) \
                     VALUES ('a', 'b', 1, ?1, ?2)";
    connection.execute(statement, params![document, readable(document)]).unwrap();
}

fn text(text: &str) -> Stored {
    Stored::Text(text.to_owned())
}

#[test]
fn system_columns_are_made_with_their_indexes_and_left_alone() {
    let properties = json!({"id": {"type": "string"}, "Batch": {"type": "string"}});
    let mut plan = stream_plan("customers", &json!([["id"]]), &properties);
    let system = json!([{"name": "batch", "type": "bigint", "index": true}, {"name": "note"}]);
    plan.configured.system_columns = serde_json::from_value(system).unwrap();
    let table = Table::of(&plan).unwrap();
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(&table.create()).unwrap();
    let columns = "SELECT group_concat(name || ' ' || type, ', ') FROM pragma_table_xinfo('customers') \
                   WHERE name IN ('batch', 'note', 'Batch')";
    let made: String = connection.query_row(columns, [], |row| row.get(0)).unwrap();
    assert_eq!(made, "batch INTEGER, note TEXT");
    let indexes = "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'customers' \
                   AND name = '_sync_customers_batch'";
    assert_eq!(connection.query_row(indexes, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    let there = Existing {
        is_ours: true,
        columns: ["id", "_updated_at", "_hash", "_raw_data", "_readable_data", "note"]
            .map(str::to_owned)
            .into(),
        key: vec!["id".to_owned()],
    };
    let missing = super::plan(&table, Some(&there)).unwrap();
    assert_eq!(missing.len(), 1);
    assert!(
        missing[0].contains("ADD COLUMN") && missing[0].contains("CREATE INDEX"),
        "{missing:?}"
    );
    plan.configured.system_columns[1].name = "ID".to_owned();
    assert!(Table::of(&plan).unwrap_err().contains("two columns named `ID`"));
}

#[test]
fn each_type_reads_back_as_itself() {
    let integer = json!({"oneOf": [{"type": "integer"}, {"type": "null"}]});
    let number = json!({"type": "number"});
    let boolean = json!({"type": "boolean"});
    let object = json!({"type": "object"});
    let string = json!({"type": "string"});
    let reference = json!({"type": "string", "x-expandable-reference": true});
    let table = [
        (&integer, "9007199254740993", Stored::Integer(9_007_199_254_740_993)),
        (&integer, "-0", Stored::Integer(0)),
        (&integer, "null", Stored::Null),
        (&number, "1.10", Stored::Real(1.1)),
        (&number, "5", Stored::Integer(5)),
        (&number, "1e308", Stored::Real(1e308)),
        (&number, "1E3", Stored::Integer(1000)),
        (&boolean, "true", Stored::Integer(1)),
        (&boolean, "false", Stored::Integer(0)),
        (&object, r#"{"b": [1.10, "\ud83d"]}"#, text(r#"{"b":[1.10,"\ufffd"]}"#)),
        (&object, "[1, 2]", text("[1,2]")),
        (&string, r#""😀 \ud83d\ude00 \u0000 �""#, text("😀 😀 \0 �")),
        (&string, r#""""#, text("")),
        (&string, "5", text("5")),
        (&reference, r#""cus_1""#, text("cus_1")),
        (&reference, r#"{"object": "customer", "id": "cus_1"}"#, text("cus_1")),
        (&reference, "null", Stored::Null),
    ];
    for (schema, value, expected) in table {
        assert_eq!(read_back(schema, value), expected, "{value} as {schema}");
    }
}

#[test]
fn a_value_that_does_not_fit_is_null_and_fails_nothing() {
    let integer = json!({"type": "integer"});
    for value in ["18446744073709551616", "1.5", "\"abc\"", "{}", "[]"] {
        assert_eq!(read_back(&integer, value), Stored::Null, "{value}");
    }
    assert_eq!(read_back(&json!({"type": "number"}), "\"1\""), Stored::Null);
    assert_eq!(read_back(&json!({"type": "number"}), "1e400"), Stored::Real(f64::INFINITY));
    assert_eq!(read_back(&json!({"type": "boolean"}), "\"true\""), Stored::Null);
    assert_eq!(read_back(&json!({"type": "string"}), r#""a\ud800b""#), text("a\u{FFFD}b"));
}

#[test]
fn levels_beyond_the_parser_are_null_and_no_other_column_is() {
    let connection = Connection::open_in_memory().unwrap();
    let schema = json!({"x": {"type": "string"}, "n": {"type": "integer"}});
    connection.execute_batch(&table(&schema).create()).unwrap();
    let deep = format!(r#"{{"n":1,"x":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    insert(&connection, &deep);
    let row = connection.query_row("SELECT _raw_data, x, n FROM customers", [], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    });
    let row: (String, Option<String>, Option<i64>) = row.unwrap();
    assert_eq!(row, (deep, None, Some(1)));
}

#[test]
fn names_of_any_kind_make_a_table() {
    let names =
        ["a\"b", "it's", "a.b", "a]b", "", "$", "a\0b", "Name", "name", "NAME", "ID", "rowid"];
    let long = "x".repeat(100);
    let mut properties = serde_json::Map::new();
    for name in names.iter().copied().chain([long.as_str()]) {
        properties.insert(name.to_owned(), json!({"type": "string"}));
    }
    let stream = "we\"ird; drop";
    let plan =
        stream_plan(stream, &json!([["id"], ["a", "ke\"y"]]), &Value::Object(properties.clone()));
    let table = Table::of(&plan).unwrap();
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(&table.create()).unwrap();
    let document: serde_json::Map<String, Value> =
        properties.keys().map(|name| (name.clone(), Value::from(format!("<{name}>")))).collect();
    let document = Value::Object(document).to_string();
    let insert = format!("INSERT INTO {} VALUES ('1', '2', 3, 4, ?1, NULL)", quoted(stream));
    connection.execute(&insert, [document]).unwrap();
    assert_eq!(table.columns.len(), properties.len());
    for (column, property) in table.columns.iter().zip(properties.keys()) {
        let query = format!("SELECT {} FROM {}", quoted(&column.name), quoted(stream));
        let value: String = connection.query_row(&query, [], |row| row.get(0)).unwrap();
        assert_eq!(value, format!("<{property}>"), "{}", column.name);
    }
}

#[test]
fn properties_that_differ_in_case_have_columns_of_their_own_in_any_order() {
    let columns = |properties: Value| {
        let mut names: Vec<String> =
            table(&properties).columns.into_iter().map(|column| column.name).collect();
        names.sort();
        names
    };
    let text = json!({"type": "string"});
    let first = columns(json!({"Name": text, "name": text, "Id": text, "id": text}));
    assert_eq!(first, columns(json!({"id": text, "Id": text, "name": text, "Name": text})));
    assert_eq!(first.len(), 3);
    assert!(first[0].starts_with("Id_") && first[1].starts_with("Name_") && first[2] == "name");
}

#[test]
fn names_that_cannot_be_are_refused() {
    let id = json!([["id"]]);
    for name in ["sqlite_x", "_sync_state", "_SYNC_meta", "a\0b"] {
        let reason = Table::of(&stream_plan(name, &id, &json!({}))).unwrap_err();
        assert!(reason.contains("no table of ours"), "{reason}");
    }
    for key in [json!([["id"], ["a", "ID"]]), json!([["_hash"]])] {
        let reason = Table::of(&stream_plan("a", &key, &json!({}))).unwrap_err();
        assert!(reason.contains("a name that is taken"), "{reason}");
    }
}

#[test]
fn properties_beyond_what_a_table_can_have_stay_in_the_document() {
    let properties: serde_json::Map<String, Value> =
        (0..3000).map(|number| (format!("p{number}"), json!({"type": "string"}))).collect();
    let table = table(&Value::Object(properties));
    Connection::open_in_memory().unwrap().execute_batch(&table.create()).unwrap();
}

fn existing(table: &Table) -> Existing {
    let own = OWN.map(str::to_owned);
    let columns = table.columns.iter().map(|column| column.name.clone());
    Existing {
        is_ours: true,
        columns: own.into_iter().chain(columns).collect(),
        key: table.key.clone(),
    }
}

#[test]
fn only_what_is_missing_is_added() {
    let (old, new) = (json!({"a": {}}), json!({"a": {}, "b": {}}));
    let there = existing(&table(&old));
    assert!(plan(&table(&old), Some(&there)).unwrap().is_empty());
    assert!(plan(&table(&json!({})), Some(&there)).unwrap().is_empty());
    let added = plan(&table(&new), Some(&there)).unwrap();
    assert_eq!(added.len(), 1);
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(&table(&old).create()).unwrap();
    insert(&connection, r#"{"b":"old row"}"#);
    connection.execute_batch(&added[0]).unwrap();
    let value: String =
        connection.query_row("SELECT b FROM customers", [], |row| row.get(0)).unwrap();
    assert_eq!(value, "old row");
}

#[test]
fn another_key_says_how_to_migrate() {
    let there = Existing { key: vec!["id".to_owned()], ..existing(&table(&json!({}))) };
    let reason = plan(&table(&json!({})), Some(&there)).unwrap_err();
    assert!(reason.contains("has the key (id), the catalog wants (id, _account_id)"), "{reason}");
    assert!(reason.contains("ALTER TABLE \"customers\" RENAME TO"), "{reason}");
}

#[test]
fn a_foreign_table_is_left_alone() {
    let there = Existing { is_ours: false, ..existing(&table(&json!({}))) };
    let reason = plan(&table(&json!({})), Some(&there)).unwrap_err();
    assert!(reason.contains("was not made by sync-engine; it is left alone"), "{reason}");
}

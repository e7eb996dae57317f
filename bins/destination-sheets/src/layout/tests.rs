use std::collections::BTreeMap;
use std::sync::Arc;

use connector::{Batch, Key, Row, StreamPlan, read_row};
use proptest::prelude::*;
use protocol::{ConfiguredStream, Origin, Record};
use serde_json::{Value, json};

use super::tab::Model;
use super::*;
use crate::schema::Schema;

fn plan() -> Arc<StreamPlan> {
    let stream = json!({
        "name": "customers",
        "primary_key": [["id"]],
        "newer_than_field": "at",
        "soft_delete_field": "deleted",
        "json_schema": {"properties": {"name": {}, "n": {}, "deleted": {}}},
    });
    let configured = ConfiguredStream::new(serde_json::from_value(stream).unwrap());
    Arc::new(StreamPlan::new(&configured).unwrap())
}

fn schema() -> Schema {
    Schema::of(&plan(), ValueMode::Typed).unwrap()
}

fn row(text: &str, origin: Origin) -> (Key, Row) {
    let data = serde_json::value::RawValue::from_string(text.to_owned()).unwrap();
    let record = Record {
        stream: "customers".into(),
        data: &data,
        emitted_at: "".into(),
        origin: Some(origin),
        prune: Vec::new(),
    };
    read_row(&plan(), &record).unwrap()
}

/// A tab as cells: row 1 is the header.
type Sheet = BTreeMap<(u64, u64), Value>;

fn sheet(header: &[&str]) -> Sheet {
    (0..).zip(header).map(|(column, name)| ((1, column), json!(name))).collect()
}

fn column_of(sheet: &Sheet, name: &str) -> u64 {
    let found = sheet.iter().find(|((row, _), cell)| *row == 1 && **cell == json!(name));
    found.unwrap().0.1
}

fn below(sheet: &Sheet, name: &str) -> Vec<Value> {
    let column = column_of(sheet, name);
    let last = sheet.keys().map(|(row, _)| *row).max().unwrap();
    (2..=last).map(|row| sheet.get(&(row, column)).cloned().unwrap_or_default()).collect()
}

fn model(schema: &Schema, sheet: &Sheet) -> Model {
    let places = schema.names().iter().map(|name| column_of(sheet, name)).collect();
    let reading = Reading {
        key: vec![below(sheet, "id")],
        stamp: below(sheet, "at"),
        hash: below(sheet, "_hash"),
        deleted: below(sheet, "deleted"),
    };
    Model::read(places, &reading).0
}

/// Applies the requests as Google would: null leaves a cell.
fn apply(sheet: &mut Sheet, changes: &Changes) {
    for body in bodies([("t", changes)]) {
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["valueInputOption"], "RAW");
        for range in body["data"].as_array().unwrap() {
            let first = range["range"].as_str().unwrap().strip_prefix("'t'!").unwrap();
            let (first, _) = first.split_once(':').unwrap();
            let (column, row) = first.split_at(1);
            let column = u64::from(column.as_bytes()[0] - b'A');
            let row: u64 = row.parse().unwrap();
            for (down, cells) in (row..).zip(range["values"].as_array().unwrap()) {
                let cells = (column..).zip(cells.as_array().unwrap());
                let set = cells.filter(|(_, cell)| !cell.is_null());
                sheet.extend(set.map(|(right, cell)| ((down, right), cell.clone())));
            }
        }
    }
}

fn load(schema: &Schema, model: &mut Model, sheet: &mut Sheet, rows: Vec<(Key, Row)>) {
    let plan = plan();
    let mut batch = Batch::default();
    for (key, row) in rows {
        batch.push(&plan, key, row);
    }
    let Some(stream) = batch.streams.get("customers") else { return };
    let mut cells = KeyCells::new(model);
    for (key, rows) in &stream.keys {
        key_cells(schema, model, (key, rows), &mut cells);
    }
    assert_eq!(cells.counts.total(), stream.record_count);
    apply(sheet, &cells.changes);
    cells.apply(model);
}

const HEADER: [&str; 7] = ["mine", "name", "id", "deleted", "_hash", "n", "at"];

#[derive(Debug, Clone)]
enum Step {
    Write { id: u8, name: u8, stamp: u8, deleted: bool, stub: bool, event: bool },
    Load,
    Restart,
    Sort,
}

fn any_step() -> impl Strategy<Value = Step> {
    let write = (0..4_u8, 0..3_u8, 0..5_u8, any::<bool>(), any::<bool>(), any::<bool>());
    prop_oneof![
        6 => write.prop_map(|(id, name, stamp, deleted, stub, event)| {
            Step::Write { id, name, stamp, deleted, stub: stub && deleted, event }
        }),
        2 => Just(Step::Load),
        1 => Just(Step::Restart),
        1 => Just(Step::Sort),
    ]
}

fn document(step: &Step) -> Option<(String, Origin)> {
    let Step::Write { id, name, stamp, deleted, stub, event } = step else { return None };
    let name = if *stub { String::new() } else { format!(r#""name":"{name}","#) };
    let text = format!(r#"{{"id":"{id}",{name}"deleted":{deleted},"at":{stamp}}}"#);
    Some((text, if *event { Origin::Event } else { Origin::List }))
}

/// Rows as they should be, one record after the other, by the rule alone.
fn one_by_one(steps: &[Step]) -> BTreeMap<String, (Value, bool, i64)> {
    use connector::version::{Action, Stored, resolve};
    let mut rows: BTreeMap<String, (Value, Stored)> = BTreeMap::new();
    for (text, origin) in steps.iter().filter_map(document) {
        let (key, row) = row(&text, origin);
        let known = rows.get(&key[0]).map(|(_, stored)| *stored);
        let came: Value = serde_json::from_str(&text).unwrap();
        match resolve(known, &[row.version]).action {
            Action::Keep => {}
            Action::Restamp(stored) | Action::Mark(stored) => {
                rows.get_mut(&key[0]).unwrap().1 = stored;
            }
            Action::Write { row, .. } => {
                let name = came.get("name").cloned().unwrap_or_else(|| json!(""));
                rows.insert(key[0].clone(), (name, row));
            }
        }
    }
    rows.into_iter().map(|(id, (name, row))| (id, (name, row.deleted, row.stamp))).collect()
}

fn content(sheet: &Sheet) -> BTreeMap<String, (Value, bool, i64)> {
    let lists = ["id", "name", "deleted", "at"].map(|name| below(sheet, name));
    let [ids, names, deleted, stamps] = lists;
    let mut rows = BTreeMap::new();
    for (at, id) in ids.iter().enumerate().filter(|(_, id)| id.is_string()) {
        let row = (names[at].clone(), deleted[at] == json!(true), stamps[at].as_i64().unwrap());
        assert!(rows.insert(id.as_str().unwrap().to_owned(), row).is_none(), "{id} is there twice");
    }
    rows
}

/// Rows below the header the other way round.
fn turned(sheet: &Sheet) -> Sheet {
    let last = sheet.keys().map(|(row, _)| *row).max().unwrap();
    let place = |row: u64| if row == 1 { 1 } else { last + 2 - row };
    sheet.iter().map(|((row, column), cell)| ((place(*row), *column), cell.clone())).collect()
}

proptest! {
    #[test]
    fn a_tab_ends_as_one_by_one_however_it_is_batched_restarted_and_sorted(
        steps in proptest::collection::vec(any_step(), 0..40),
    ) {
        let schema = schema();
        let mut sheet = sheet(&HEADER);
        let mut model = model(&schema, &sheet);
        let mut waiting = Vec::new();
        for step in steps.iter().chain([&Step::Load]) {
            match step {
                Step::Write { .. } => {
                    let (text, origin) = document(step).unwrap();
                    waiting.push(row(&text, origin));
                }
                Step::Load => {
                    load(&schema, &mut model, &mut sheet, std::mem::take(&mut waiting));
                }
                Step::Restart => model = self::model(&schema, &sheet),
                Step::Sort => {
                    sheet = turned(&sheet);
                    model = self::model(&schema, &sheet);
                }
            }
        }
        prop_assert_eq!(content(&sheet), one_by_one(&steps));
        prop_assert_eq!(self::model(&schema, &sheet), model);
        prop_assert!(sheet.keys().all(|(row, column)| *row == 1 || *column != 0), "mine stays empty");
    }
}

#[test]
fn rows_below_each_other_are_one_range_and_foreign_cells_are_left() {
    let mut changes = Changes::default();
    for row in [2, 3, 4, 9] {
        changes.set(row, 0, json!("a"));
        changes.set(row, 2, json!(1));
    }
    let body: Value = serde_json::from_slice(&bodies([("t", &changes)])[0]).unwrap();
    let ranges: Vec<&str> =
        body["data"].as_array().unwrap().iter().map(|one| one["range"].as_str().unwrap()).collect();
    assert_eq!(ranges, ["'t'!A2:C4", "'t'!A9:C9"]);
    assert_eq!(body["data"][1]["values"], json!([["a", null, 1]]));
    assert_eq!(changes.span(), Some((2, 9)));
}

#[test]
fn requests_stay_below_two_megabytes() {
    let mut changes = Changes::default();
    for row in 2..302 {
        changes.set(row, 0, json!("x".repeat(20_000)));
    }
    let bodies = bodies([("t", &changes), ("u", &changes)]);
    assert!((7..=9).contains(&bodies.len()), "{}", bodies.len());
    assert!(bodies.iter().all(|body| body.len() <= 2_000_000));
    let rows: usize = bodies
        .iter()
        .map(|body| serde_json::from_slice::<Value>(body).unwrap())
        .flat_map(|body| body["data"].as_array().unwrap().clone())
        .map(|range| range["values"].as_array().unwrap().len())
        .sum();
    assert_eq!(rows, 600);
}

#[test]
fn what_is_not_ours_is_counted_and_new_rows_go_below_it() {
    let cells = |texts: &[&str]| texts.iter().map(|text| json!(text)).collect::<Vec<_>>();
    let reading = Reading {
        key: vec![cells(&["a", "", "a", "b", "Total"]), cells(&["x", "", "x", "x", ""])],
        stamp: vec![json!(5), json!(""), json!(5), json!("typed")],
        hash: cells(&["0000000000000001", "", "0000000000000001"]),
        deleted: Vec::new(),
    };
    let (model, outcome) = Model::read(Vec::new(), &reading);
    assert_eq!((outcome.foreign, outcome.repeated, model.next_row), (1, 1, 7));
    let key = ["b", "x"].map(str::to_owned).to_vec();
    assert_eq!((model.rows[&key].row, model.rows[&key].stored.stamp), (5, i64::MIN));
}

#[test]
fn a_row_that_has_moved_is_seen() {
    let cells = |texts: &[&str]| texts.iter().map(|text| json!(text)).collect::<Vec<_>>();
    let reading = Reading { key: vec![cells(&["a", "b", "c"])], ..Reading::default() };
    let (model, _) = Model::read(Vec::new(), &reading);
    let look = |from, texts: &[&str]| is_as_thought(&model, from, &[cells(texts)]);
    assert!(look(2, &["a", "b", "c"]) && look(3, &["b", "c"]) && look(5, &[]));
    assert!(!look(2, &["b", "a", "c"]) && !look(3, &["", "b", "c"]));
    assert!(!look(3, &["b"]) && !look(5, &["d"]));
}

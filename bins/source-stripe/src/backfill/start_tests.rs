use connector::Input;
use protocol::{ConfiguredCatalog, Stream};
use serde_json::{Value, json};

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

fn start(names: &[&str], state: Value) -> Start {
    start_with(names, state, &Wishes::new(Catalogue::embedded()))
}

fn start_with(names: &[&str], state: Value, wishes: &Wishes) -> Start {
    let stream = |name: &&str| {
        let stream =
            json!({"name": name, "primary_key": [["id"]], "newer_than_field": "_updated_at"});
        ConfiguredStream::new(serde_json::from_value::<Stream>(stream).unwrap())
    };
    let catalog = ConfiguredCatalog { streams: names.iter().map(stream).collect() };
    let state = serde_json::from_value(state).unwrap();
    let request = ReadRequest { catalog, state, follow: false, input: Input::empty() };
    Start::new(&request, wishes, NOW)
}

fn done_until(lt: &str) -> Value {
    json!({"accounted_range": {"gte": "1970-01-01T00:00:00.000Z", "lt": lt}, "remaining": []})
}

#[test]
fn changes_are_read_from_before_the_first_backfill_also_with_imported_states_without_a_cursor() {
    let cursor = |state: Value| {
        let begun = start(&["customers"], state);
        (begun.global.events_cursor, begun.is_first)
    };
    assert_eq!(cursor(json!({})), (1_000_000, true));
    assert_eq!(cursor(json!({"global": {"events_cursor": 5}})), (5, true), "`customers` is new");
    let begun = json!({"events_cursor": 5, "begun": ["customers"]});
    assert_eq!(cursor(json!({"global": begun})), (5, false));
    let imported = json!({"streams": {
        "customers": done_until("1970-01-02T00:00:00Z"),
        "charges": done_until("1970-01-01T10:00:00Z"),
        "refunds": {"eventId": "evt_1"},
    }});
    assert_eq!(cursor(imported), (36_000, true));
}

#[test]
fn a_state_of_another_shape_makes_its_stream_start_afresh_with_a_warning() {
    let begun = start(&["customers"], json!({"streams": {"customers": {"eventId": "evt_1"}}}));
    assert!(begun.warnings[0].starts_with("`customers` starts afresh:"), "{:?}", begun.warnings);
    assert_eq!(begun.plan.streams[0].state().remaining.len(), 1);
}

#[test]
fn an_unknown_name_is_told_and_leaves_the_others_alone() {
    let begun = start(&["custmers", "charges"], json!({}));
    assert_eq!(begun.unknown, ["custmers"]);
    assert_eq!(begun.plan.streams.len(), 1);
}

#[test]
fn what_nothing_else_tells_of_is_listed_again_as_a_whole_but_not_every_hour() {
    let until = done_until("1970-01-05T00:00:00Z");
    let state =
        json!({"streams": {"tax_codes": until, "payment_methods": until, "customers": until}});
    let begun = start(&["tax_codes", "payment_methods", "customers"], state);
    let gte = |index: usize| begun.plan.streams[index].state().remaining[0].gte.seconds_floor();
    assert_eq!([gte(0), gte(1), gte(2)], [0, 4 * 86_400 - 300, 4 * 86_400 - 300]);
    let of_late = done_until("1970-01-12T00:00:00Z");
    let begun = start(&["tax_codes"], json!({"streams": {"tax_codes": of_late}}));
    assert!(begun.plan.streams[0].is_read());
    assert_eq!(
        serde_json::to_value(begun.plan.streams[0].expected().lt).unwrap(),
        "1970-01-12T00:00:00.000Z"
    );
}

#[test]
fn a_list_in_the_middle_of_its_first_pass_is_not_begun_again() {
    let left =
        json!([{"gte": "1970-01-01T00:00:00Z", "lt": "1970-01-02T00:00:00Z", "cursor": "x"}]);
    let mut halfway = done_until("1970-01-05T00:00:00Z");
    halfway["remaining"] = left;
    let begun = start(&["tax_codes"], json!({"streams": {"tax_codes": halfway}}));
    let state = begun.plan.streams[0].state();
    assert_eq!(state.remaining.len(), 1);
    assert_eq!(state.remaining[0].cursor.as_deref(), Some("x"));
}

#[test]
fn a_run_that_goes_on_has_nothing_left_where_it_was_done() {
    let until = done_until("1970-01-12T13:46:38Z");
    let state = json!({"streams": {"payment_methods": until, "customers": until}});
    let begun = start(&["payment_methods", "customers"], state);
    assert!(begun.plan.streams.iter().all(StreamPlan::is_done));
}

#[test]
fn a_change_of_what_a_copy_was_filled_with_is_told() {
    let filled = |changed: Value| {
        let mut filled = serde_json::to_value(start(&["customers"], json!({})).global).unwrap();
        filled["filled"].as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
        let streams = json!({"customers": done_until("1970-01-02T00:00:00Z")});
        start(&["customers"], json!({"global": filled, "streams": streams})).warnings
    };
    assert_eq!(filled(json!({})), Vec::<String>::new());
    let told = filled(
        json!({"api_version": "2020-01-01", "expand_lists": false, "fields": {"customers": ["id"], "charges": ["id"]}}),
    );
    assert_eq!(told.len(), 3);
    assert!(
        told[0].starts_with("the copy was filled with `api_version` `2020-01-01`, which is"),
        "{told:?}"
    );
    assert!(told[1].contains("`expand_lists` false, which is true now"), "{told:?}");
    assert!(told[2].contains("other `fields` of `customers`:"), "{told:?}");
}

#[test]
fn a_copy_that_is_filled_anew_is_told_of_changes_since_it_was_read_last() {
    let global = |cursor: i64| json!({"events_cursor": cursor, "begun": ["customers"], "filled": {"api_version": "2020-01-01", "expand_lists": true}});
    let begun = start(&["customers"], json!({"global": global(990_000)}));
    assert_eq!((begun.global.events_cursor, begun.warnings), (990_000, Vec::new()));
    let filled = begun.global.filled;
    assert_eq!(filled, start(&["customers"], json!({})).global.filled, "as it is filled now");
    let begun = start(&["customers"], json!({"global": global(-2_000_000)}));
    assert_eq!((begun.global.events_cursor, begun.is_first), (1_000_000, true));
    assert!(begun.warnings[0].contains("deleted in that time"), "{:?}", begun.warnings);
    assert!(begun.plan.streams[0].is_known);
}

#[test]
fn a_stream_under_parents_has_ranges_over_its_parents() {
    let names = ["customer_tax_ids", "product_features", "credit_note_line_items"];
    let wishes = Wishes {
        child_streams: names.map(str::to_owned).into(),
        ..Wishes::new(Catalogue::embedded())
    };
    let until = done_until("1970-01-05T00:00:00Z");
    let state =
        |until: &Value| json!({"streams": {names[0]: until, names[1]: until, names[2]: until}});
    let begun = start_with(&names, state(&until), &wishes);
    let gte = |index: usize| begun.plan.streams[index].state().remaining[0].gte.seconds_floor();
    let new_parents = 4 * 86_400 - 300;
    assert_eq!([gte(0), gte(1), gte(2)], [new_parents, 0, new_parents]);
    let of_late = done_until("1970-01-12T00:00:00Z");
    let begun = start_with(&names, state(&of_late), &wishes);
    let read: Vec<bool> = begun.plan.streams.iter().map(StreamPlan::is_read).collect();
    assert_eq!(read, [false, true, false], "what is listed again is not listed every hour");
}

#[test]
fn a_stream_under_parents_that_nobody_named_is_not_read() {
    let begun = start(&["customer_tax_ids", "customers"], json!({}));
    assert_eq!(begun.unknown, ["customer_tax_ids"]);
}

#[test]
fn a_run_with_fewer_streams_keeps_the_place_of_those_that_have_a_state() {
    let until = done_until("1970-01-02T00:00:00Z");
    let streams = json!({"customers": until, "charges": until, "tax_codes": until, "subscription_items": until});
    let state = json!({"global": {"events_cursor": 990_000}, "streams": streams});
    let begun = start(&["customers", "refunds"], state);
    let lagging: Vec<(&String, &i64)> = begun.global.lagging.iter().collect();
    assert_eq!(lagging, [(&"charges".to_owned(), &990_000)]);
    assert_eq!(begun.global.begun, ["customers", "refunds"].map(str::to_owned).into());
    assert!(!begun.is_unread_elsewhere);
}

#[test]
fn what_a_killed_run_may_have_written_is_not_forgotten_for_want_of_a_state() {
    let state = json!({"global": {"events_cursor": 990_000, "begun": ["charges", "customers"]}});
    let fewer = start(&["customers"], state).global;
    assert_eq!(fewer.place("charges"), 990_000);
    let mut later = fewer.clone();
    later.advance(999_000);
    let global = serde_json::to_value(&later).unwrap();
    let again = start(&["charges", "customers"], json!({ "global": global }));
    assert_eq!(again.global.place("charges"), 990_000, "it catches up, though it is listed anew");
    assert!(again.plan.streams.iter().all(|stream| stream.is_known));
}

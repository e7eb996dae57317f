use connector::{Input, ReadRequest};
use protocol::{ConfiguredCatalog, ConfiguredStream, SourceState, Stream, Timestamp};
use serde_json::json;
use stripe_api::Catalogue;

use super::*;
use crate::backfill::{Start, Wishes};
use crate::page::{Frame, Offspring, Page, Stamp};

const NOW: Timestamp = Timestamp::from_seconds(2_000_000);

fn plan(names: &[&str], wishes: &Wishes) -> Plan {
    begun(names, wishes, SourceState::default())
}

fn resumed(names: &[&str], streams: &serde_json::Value) -> Plan {
    let state = serde_json::from_value(json!({ "streams": streams })).unwrap();
    begun(names, &Wishes::new(Catalogue::embedded()), state)
}

fn begun(names: &[&str], wishes: &Wishes, state: SourceState) -> Plan {
    let stream = |name: &&str| {
        let stream =
            json!({"name": name, "primary_key": [["id"]], "newer_than_field": "_updated_at"});
        ConfiguredStream::new(serde_json::from_value::<Stream>(stream).unwrap())
    };
    let catalog = ConfiguredCatalog { streams: names.iter().map(stream).collect() };
    let request = ReadRequest { catalog, state, follow: false, input: Input::empty() };
    Start::new(&request, wishes, NOW).plan
}

/// A page of objects created at these seconds.
fn page(created: &[i64], has_more: bool) -> Page {
    let data: Vec<_> = created
        .iter()
        .enumerate()
        .map(|(n, at)| json!({"id": format!("x{at}_{n}"), "created": at}))
        .collect();
    let body = json!({"object": "list", "data": data, "has_more": has_more}).to_string();
    let stamp = Stamp { updated_at: 0, emitted_at: Timestamp::EPOCH };
    Page::read(body.as_bytes(), &Frame::new("s", "acct_1", Some("created")), stamp).unwrap()
}

fn ask_all(plan: &mut Plan) -> Vec<(String, PageRequest)> {
    let mut asked = Vec::new();
    while let Some(index) = plan.waiting().first().copied() {
        let request = plan.ask(index).unwrap();
        asked.push((plan.streams[index].name.clone(), request));
    }
    asked
}

#[test]
fn every_stream_gets_its_first_page_before_any_its_second_and_unsplittable_ones_begin() {
    let mut plan =
        plan(&["customers", "payment_methods", "charges"], &Wishes::new(Catalogue::embedded()));
    let asked = ask_all(&mut plan);
    let names: Vec<&str> = asked.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["payment_methods", "customers", "charges"]);
    let customers = &asked[1].1;
    let arrival = plan.streams[0].arrived(customers, &page(&[9, 8], true), 0).unwrap();
    assert_eq!((arrival.emit, arrival.complete), (2, false));
    assert_eq!(plan.waiting(), [0]);
}

#[test]
fn a_first_page_is_asked_without_bounds_and_a_second_by_cursor() {
    let mut plan = plan(&["subscriptions"], &Wishes::new(Catalogue::embedded()));
    let first = plan.ask(0).unwrap();
    let query = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    assert_eq!(first.query, query(&[("status", "all"), ("limit", "100")]));
    plan.streams[0].arrived(&first, &page(&[9, 8], true), 0).unwrap();
    let second = plan.ask(0).unwrap();
    assert_eq!(
        second.query,
        query(&[("status", "all"), ("limit", "100"), ("starting_after", "x8_1")])
    );
}

#[test]
fn a_state_is_of_what_was_emitted_while_the_next_page_is_on_its_way() {
    let mut plan = plan(&["customers"], &Wishes::new(Catalogue::embedded()));
    let first = plan.ask(0).unwrap();
    let arrival = plan.streams[0].arrived(&first, &page(&[900, 800], true), 0).unwrap();
    let second = plan.ask(0).unwrap();
    assert_eq!(second.cursor.as_deref(), Some("x800_1"));
    assert_eq!(plan.streams[0].state(), arrival.state);
    assert_eq!(arrival.state.remaining[0].cursor.as_deref(), Some("x800_1"));
    assert_eq!(arrival.state.remaining[0].lt, Timestamp::from_seconds(801));
}

#[test]
fn a_limit_of_records_is_never_passed_and_the_rest_is_remembered() {
    let wishes = Wishes { backfill_limit: Some(3), ..Wishes::new(Catalogue::embedded()) };
    let mut plan = plan(&["customers"], &wishes);
    let first = plan.ask(0).unwrap();
    assert!(first.query.contains(&("limit".to_owned(), "3".to_owned())));
    plan.streams[0].arrived(&first, &page(&[9, 8], true), 0).unwrap();
    assert!(!plan.streams[0].ended);
    let second = plan.ask(0).unwrap();
    assert!(second.query.contains(&("limit".to_owned(), "1".to_owned())));
    let arrival = plan.streams[0].arrived(&second, &page(&[7, 6], false), 0).unwrap();
    assert_eq!((arrival.emit, arrival.complete, plan.streams[0].ended), (1, false, true));
    assert_eq!(arrival.state.remaining[0].cursor.as_deref(), Some("x7_0"));
    assert!(plan.waiting().is_empty());
}

#[test]
fn a_list_that_leads_nowhere_ends_in_an_error_not_in_a_loop() {
    let mut plan =
        plan(&["customers", "reporting_report_types"], &Wishes::new(Catalogue::embedded()));
    let first = plan.ask(0).unwrap();
    let error = plan.streams[0].arrived(&first, &page(&[], true), 0).unwrap_err();
    assert!(error.report().contains("goes on, and is empty"), "{}", error.report());
    let whole = plan.ask(1).unwrap();
    let error = plan.streams[1].arrived(&whole, &page(&[1], true), 0).unwrap_err();
    assert!(error.report().contains("takes no cursor"), "{}", error.report());
    let again = PageRequest { cursor: Some("x1_0".to_owned()), ..first };
    let error = plan.streams[0].arrived(&again, &page(&[1], true), 0).unwrap_err();
    assert!(error.report().contains("does not go on after its cursor"), "{}", error.report());
}

#[test]
fn a_range_is_split_into_what_there_is_room_for_where_enough_is_left() {
    let dense: Vec<i64> = (1_999_897..1_999_997).rev().collect();
    let ranges = |account_created: i64, room: usize| {
        let account_created = Some(Timestamp::from_seconds(account_created));
        let mut plan =
            plan(&["customers"], &Wishes { account_created, ..Wishes::new(Catalogue::embedded()) });
        let first = plan.ask(0).unwrap();
        let arrival = plan.streams[0].arrived(&first, &page(&dense, true), room).unwrap();
        assert_eq!(ask_all(&mut plan).len(), arrival.state.remaining.len());
        arrival.state.remaining.len()
    };
    assert_eq!(ranges(0, 0), 1);
    assert_eq!(ranges(0, 1), 2);
    assert_eq!(ranges(0, 6), 7);
    assert_eq!(ranges(1_998_900, 9000), 3, "a part is worth three pages at least");
    assert_eq!(ranges(1_999_700, 6), 1);
}

#[test]
fn the_top_of_a_list_without_a_filter_is_read_until_the_first_object_that_is_older() {
    let state = json!({"payment_methods": {
        "accounted_range": {"gte": "1970-01-01T00:00:00Z", "lt": "1970-01-12T00:00:00Z"}, "remaining": []
    }});
    let mut later = resumed(&["payment_methods"], &state);
    let request = later.ask(0).unwrap();
    assert!(request.query.iter().all(|(name, _)| !name.starts_with("created")));
    let old_end = 11 * 86_400;
    let page = page(&[old_end + 50, old_end - 300, old_end - 301, 7], true);
    let arrival = later.streams[0].arrived(&request, &page, 0).unwrap();
    assert_eq!((arrival.emit, arrival.complete), (2, true));
}

#[test]
fn a_page_of_parents_counts_as_read_with_the_lists_under_it() {
    let child_streams = ["customer_tax_ids".to_owned()].into();
    let backfill_limit = Some(5);
    let wishes = Wishes { child_streams, backfill_limit, ..Wishes::new(Catalogue::embedded()) };
    let mut plan = plan(&["customer_tax_ids"], &wishes);
    let first = plan.ask(0).unwrap();
    assert!(first.query.contains(&("limit".to_owned(), "50".to_owned())), "of parents");
    assert_eq!(first.left, Some(5));
    let offspring = |count: u64| Offspring { lines: b"{}\n".to_vec(), count };
    plan.streams[0].part_arrived(&Page::of_offspring(offspring(3)));
    let mut cut = page(&[900, 800, 700], true);
    cut.cut_off(1);
    cut.bring(offspring(2));
    let arrival = plan.streams[0].arrived(&first, &cut, 0).unwrap();
    assert_eq!(arrival.state.remaining[0].cursor.as_deref(), Some("x900_0"));
    assert!(!arrival.complete && plan.streams[0].is_done(), "the limit is reached");
}

#[test]
fn a_page_of_parents_of_which_none_was_read_is_asked_for_again() {
    let child_streams = ["customer_tax_ids".to_owned()].into();
    let mut plan = plan(
        &["customer_tax_ids"],
        &Wishes { child_streams, ..Wishes::new(Catalogue::embedded()) },
    );
    let first = plan.ask(0).unwrap();
    let mut cut = page(&[900], false);
    cut.cut_off(0);
    cut.bring(Offspring::default());
    let arrival = plan.streams[0].arrived(&first, &cut, 0).unwrap();
    assert_eq!((arrival.emit, arrival.complete), (0, false));
    assert_eq!(plan.ask(0).unwrap().query, first.query);
}

use protocol::{ConfiguredStream, Stream, Timestamp};
use serde_json::{Value, json};
use stripe_api::Catalogue;

use super::*;

fn feeds(names: &[&str], asked: TimeRange, rules: impl FnOnce(&mut Rules)) -> Feeds {
    feeds_of(names, &catalog(names, asked), rules)
}

fn catalog(names: &[&str], asked: TimeRange) -> ConfiguredCatalog {
    let configured = |name: &&str| {
        let stream =
            json!({"name": name, "primary_key": [["id"]], "newer_than_field": "_updated_at"});
        let stream: Stream = serde_json::from_value(stream).unwrap();
        ConfiguredStream { time_range: Some(asked), ..ConfiguredStream::new(stream) }
    };
    ConfiguredCatalog { streams: names.iter().map(configured).collect() }
}

fn feeds_of(names: &[&str], catalog: &ConfiguredCatalog, rules: impl FnOnce(&mut Rules)) -> Feeds {
    let facts = names.iter().map(|name| Catalogue::embedded().list(name).unwrap());
    let mut of = Rules {
        account_id: "acct_1".to_owned(),
        api_version: "v1".to_owned(),
        accept_versions: false,
        revalidate: BTreeSet::new(),
    };
    rules(&mut of);
    let takes = facts.map(|facts| Takes {
        name: facts.name.clone(),
        facts,
        lists: Vec::new(),
        is_bounded: true,
    });
    Feeds::new(takes, catalog, of)
}

fn event(kind: &str, object: &Value) -> Event {
    let event = json!({"id": "evt", "type": kind, "created": 100, "api_version": "v1", "data": {"object": object}});
    Event::parse(&event.to_string()).unwrap()
}

fn to(index: usize, id: &str) -> Goes {
    Goes::To(vec![(index, id.to_owned())])
}

#[test]
fn an_event_goes_to_the_stream_of_its_object() {
    let feeds = feeds(&["customers", "tax_ids"], TimeRange::default(), |_| {});
    let customer = json!({"id": "cus_1", "object": "customer"});
    assert_eq!(feeds.sort(&event("customer.updated", &customer)), to(0, "cus_1"));
    let tax_id = json!({"id": "txi_1", "object": "tax_id"});
    assert_eq!(feeds.sort(&event("customer.tax_id.deleted", &tax_id)), to(1, "txi_1"));
    let other = json!({"id": "di_1", "object": "discount"});
    assert_eq!(feeds.sort(&event("customer.discount.created", &other)), Goes::Nowhere);
}

#[test]
fn two_streams_of_the_same_objects_are_both_told() {
    let [plain, under_parents] = ["tax_ids", "customer_tax_ids"].map(|name| {
        let keyed = || Catalogue::embedded().keyed(name).map(|keyed| &keyed.facts);
        let facts = Catalogue::embedded().list(name).or_else(keyed).unwrap();
        Takes { name: name.to_owned(), facts, lists: Vec::new(), is_bounded: keyed().is_none() }
    });
    let rules = Rules {
        account_id: "acct_1".to_owned(),
        api_version: "v1".to_owned(),
        accept_versions: false,
        revalidate: BTreeSet::new(),
    };
    let asked = TimeRange { gte: Some(Timestamp::from_seconds(50)), lt: None };
    let stream =
        json!({"name": "tax_ids", "primary_key": [["id"]], "newer_than_field": "_updated_at"});
    let stream = ConfiguredStream::new(serde_json::from_value(stream).unwrap());
    let catalog =
        ConfiguredCatalog { streams: vec![ConfiguredStream { time_range: Some(asked), ..stream }] };
    let feeds = Feeds::new([plain, under_parents], &catalog, rules);
    let goes = |created: i64| {
        let tax_id = json!({"id": "txi_1", "object": "tax_id", "created": created});
        feeds.sort(&event("customer.tax_id.updated", &tax_id))
    };
    let key = |index| (index, "txi_1".to_owned());
    assert_eq!(goes(60), Goes::To(vec![key(0), key(1)]));
    // The time is that of customers where they are the parents.
    let by_time = Catalogue::embedded().list("tax_ids").unwrap().takes_time();
    let expected = if by_time { vec![key(1)] } else { vec![key(0), key(1)] };
    assert_eq!(goes(40), Goes::To(expected));
}

#[test]
fn a_preview_without_an_id_is_dropped() {
    let feeds = feeds(&["invoices"], TimeRange::default(), |_| {});
    let upcoming = event("invoice.upcoming", &json!({"object": "invoice"}));
    assert_eq!(feeds.sort(&upcoming), Goes::Dropped(Dropped::NoId));
}

#[test]
fn platform_and_connected_account_are_not_mixed() {
    let feeds = feeds(&["customers"], TimeRange::default(), |_| {});
    let mut event = event("customer.updated", &json!({"id": "cus_1", "object": "customer"}));
    event.account = Some("acct_2".to_owned());
    assert_eq!(feeds.sort(&event), Goes::Dropped(Dropped::OtherAccount));
    event.account = Some("acct_1".to_owned());
    assert_eq!(feeds.sort(&event), to(0, "cus_1"));
}

#[test]
fn objects_outside_the_time_that_the_owner_set_are_dropped_and_others_never() {
    let asked = |gte, lt| {
        let time = |seconds: Option<i64>| seconds.map(Timestamp::from_seconds);
        feeds(&["customers", "payment_links"], TimeRange { gte: time(gte), lt: time(lt) }, |_| {})
    };
    let old = event("customer.updated", &json!({"id": "c", "object": "customer", "created": 10}));
    assert_eq!(asked(Some(11), None).sort(&old), Goes::Dropped(Dropped::OutsideTime));
    assert_eq!(asked(Some(10), None).sort(&old), to(0, "c"));
    assert_eq!(asked(None, Some(10)).sort(&old), Goes::Dropped(Dropped::OutsideTime));
    assert_eq!(asked(None, Some(11)).sort(&old), to(0, "c"));
    assert_eq!(asked(None, None).sort(&old), to(0, "c"));
    let mut of_run = catalog(&["customers"], TimeRange { gte: None, lt: Some(Timestamp::EPOCH) });
    of_run.streams[0].open_end = true;
    let of_run = feeds_of(&["customers"], &of_run, |_| {});
    assert_eq!(of_run.sort(&old), to(0, "c"), "where a run ends nobody set");
    let timeless = event("payment_link.updated", &json!({"id": "p", "object": "payment_link"}));
    assert_eq!(asked(Some(11), None).sort(&timeless), to(1, "p"));
}

#[test]
fn another_version_or_the_owners_wish_makes_an_object_be_asked_for_again() {
    let customer = json!({"id": "cus_1", "object": "customer"});
    let same = event("customer.updated", &customer);
    let mut other = same.clone();
    other.api_version = Some("v0".to_owned());
    let usual = feeds(&["customers"], TimeRange::default(), |_| {});
    assert_eq!(
        (usual.distrusts(0, &same), usual.distrusts(0, &other)),
        (None, Some(Doubt::Version))
    );
    let mut gone = event("customer.deleted", &customer);
    gone.api_version = None;
    assert_eq!(usual.distrusts(0, &gone), None);
    let lax = feeds(&["customers"], TimeRange::default(), |rules| rules.accept_versions = true);
    assert_eq!(lax.distrusts(0, &other), None);
    for name in ["customers", "customer", "customer.updated"] {
        let feeds = feeds(&["customers"], TimeRange::default(), |rules| {
            rules.revalidate.insert(name.to_owned());
        });
        assert_eq!(feeds.distrusts(0, &same), Some(Doubt::Asked), "{name}");
    }
}

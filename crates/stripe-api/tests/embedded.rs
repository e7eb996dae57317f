//! The embedded facts, and the real files that they come from.

#![cfg(test)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use stripe_api::{Catalogue, Freshness, Shapes, StreamFacts, compile, compile_shapes};

/// What the TypeScript connector lists for 2024-06-20.
const LISTED_ELSEWHERE: [&str; 42] = [
    "accounts",
    "application_fees",
    "billing_alerts",
    "billing_portal_configurations",
    "charges",
    "checkout_sessions",
    "climate_orders",
    "climate_products",
    "coupons",
    "credit_notes",
    "customers",
    "disputes",
    "early_fraud_warnings",
    "files",
    "financial_connections_accounts",
    "identity_verification_sessions",
    "invoiceitems",
    "invoices",
    "payment_intents",
    "payment_links",
    "payment_methods",
    "payouts",
    "plans",
    "prices",
    "products",
    "promotion_codes",
    "quotes",
    "refunds",
    "reporting_report_runs",
    "reporting_report_types",
    "reviews",
    "scheduled_query_runs",
    "setup_intents",
    "subscription_schedules",
    "subscriptions",
    "tax_ids",
    "tax_rates",
    "terminal_readers",
    "test_helpers_test_clocks",
    "topups",
    "transfers",
    "treasury_financial_accounts",
];

/// The OpenAPI files of Stripe are not part of this repository. Where they stand
/// beside it, the tests below hold the compiler to them.
fn openapi(version: &str) -> Option<String> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/stripe");
    let path: PathBuf = beside.join(format!("spec3-{version}.json.gz"));
    if !path.exists() {
        println!("not found, so not compared: {}", path.display());
        return None;
    }
    Some(unpacked(&path))
}

fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(path).expect("the file opens");
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(file), &mut text)
        .expect("the file unpacks");
    text
}

fn embedded(name: &str) -> &'static StreamFacts {
    Catalogue::embedded().stream(name).unwrap_or_else(|| panic!("no stream `{name}`"))
}

#[test]
fn the_embedded_version_is_the_newest_we_know() {
    assert_eq!(Catalogue::embedded().api_version, "2026-01-28.clover");
    assert_eq!(Shapes::embedded().api_version, "2026-01-28.clover");
    assert_eq!(Catalogue::embedded().streams.len(), 71);
    assert!(Catalogue::embedded().streams.is_sorted_by_key(|stream| &stream.name));
}

#[test]
fn the_streams_that_everyone_wants_have_their_facts() {
    let customers = embedded("customers");
    assert_eq!(customers.path, "/v1/customers");
    assert_eq!(customers.freshness, Freshness::Events);
    assert!(customers.event_types.iter().any(|event| event == "customer.deleted"));
    assert!(!customers.event_types.iter().any(|event| event.starts_with("customer.subscription")));
    assert_eq!(embedded("invoices").nested_lists, ["lines", "payments"]);
    assert_eq!(embedded("invoices").volatile, ["hosted_invoice_url", "invoice_pdf"]);
    assert_eq!(embedded("invoiceitems").sort_field.as_deref(), Some("date"));
    assert_eq!(embedded("balance_transactions").path, "/v1/balance_transactions");
    assert_eq!(embedded("events").freshness, Freshness::Immutable);
    assert_eq!(embedded("country_specs").sort_field, None);
    let all = [("status".to_owned(), "all".to_owned())];
    assert_eq!(embedded("subscriptions").fixed_params, all);
    let accounts = embedded("financial_connections_accounts");
    assert_eq!(accounts.path, "/v1/financial_connections/accounts");
    assert!(!embedded("reporting_report_types").accepts.limit);
}

#[test]
fn every_stream_can_be_read_and_kept() {
    for stream in &Catalogue::embedded().streams {
        let has = |name: &str| stream.fields.iter().any(|field| field.name == name);
        assert!(has("id") && has("object"), "{}", stream.name);
        assert!(stream.path.starts_with("/v1/") && !stream.path.contains('{'), "{}", stream.path);
        assert!(stream.sort_field.as_deref().is_none_or(has), "{}", stream.name);
    }
}

#[test]
fn every_list_has_the_shape_of_its_objects() {
    assert_every_list_has_a_shape(Catalogue::embedded(), Shapes::embedded());
}

/// Of v1 and v2, with a parent or without: the objects' schema is known, and all that is in it.
fn assert_every_list_has_a_shape(catalogue: &Catalogue, shapes: &Shapes) {
    assert_eq!(shapes.api_version, catalogue.api_version);
    let plain = catalogue.streams.iter().chain(&catalogue.v2_streams).map(|stream| &stream.name);
    let listed: BTreeSet<&String> =
        plain.chain(catalogue.parent_keyed.iter().map(|list| &list.name)).collect();
    assert_eq!(listed, shapes.roots.keys().collect());
    for (name, schema) in &shapes.roots {
        let properties = shapes.schemas.get(schema);
        assert!(properties.is_some_and(|all| all.contains_key("id")), "{name}: {schema}");
    }
    assert_every_schema_is_there(shapes);
}

fn assert_every_schema_is_there(shapes: &Shapes) {
    let text = shapes.to_json().expect("text");
    for reference in text.split("object(").skip(1) {
        let name = reference.split(')').next().unwrap_or_default();
        assert!(shapes.schemas.contains_key(name), "{name}");
    }
}

#[test]
fn compiling_the_real_file_gives_the_embedded_facts() {
    let Some(text) = openapi("2026-01-28.clover") else { return };
    let again = "differs: run `cargo xtask catalog build` and commit its files";
    assert!(&compile(&text).expect("a catalogue") == Catalogue::embedded(), "{again}");
    assert!(&compile_shapes(&text).expect("shapes") == Shapes::embedded(), "{again}");
}

/// Stripe's file of that version (MIT licence) without its prose and all else that is not read.
fn older() -> String {
    unpacked(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/2024-06-20.json.gz"))
}

#[test]
fn what_was_left_out_of_the_older_file_changes_nothing() {
    let (Some(whole), trimmed) = (openapi("2024-06-20"), older()) else { return };
    assert!(compile(&whole).expect("a catalogue") == compile(&trimmed).expect("a catalogue"));
    assert!(compile_shapes(&whole).expect("shapes") == compile_shapes(&trimmed).expect("shapes"));
}

#[test]
fn a_file_that_is_none_is_told_by_what_it_is() {
    let told = |text: &str| compile(text).expect_err("no catalogue").to_string();
    let older = older();
    assert!(told("\n<!DOCTYPE html>").contains("a web page, not JSON"));
    let half: String = older.chars().take(5_000).collect();
    assert!(told(&half).contains("it ends in the middle; fetch the file again"));
    assert!(told("openapi: 3.0.0").contains("not JSON"));
    assert!(told("").contains("not JSON"));
    assert!(told("{}").contains("`openapi` is missing; give a spec3 file"));
}

#[test]
fn an_older_file_has_every_stream_that_others_list() {
    let text = older();
    let catalogue = compile(&text).expect("a catalogue");
    assert_eq!(catalogue.api_version, "2024-06-20");
    for name in LISTED_ELSEWHERE {
        assert!(catalogue.stream(name).is_some(), "{name}");
    }
    assert_every_list_has_a_shape(&catalogue, &compile_shapes(&text).expect("shapes"));
}

#[test]
fn children_are_fed_from_a_list_that_their_parents_always_show() {
    let children = &Catalogue::embedded().children;
    let names: Vec<_> = children.iter().map(|child| child.facts.name.as_str()).collect();
    assert_eq!(names, ["line_items", "subscription_items"]);
    for child in children {
        let parent = embedded(&child.parent);
        assert!(parent.nested_lists.contains(&child.list), "{}", child.parent);
        assert!(child.facts.fields.iter().any(|field| field.name == child.key));
        assert_eq!(child.facts.freshness, parent.freshness);
    }
}

#[test]
fn lists_under_parents_are_streams_of_their_own() {
    let catalogue = Catalogue::embedded();
    let names: BTreeSet<&str> = catalogue.keyed.iter().map(|k| k.facts.name.as_str()).collect();
    assert_eq!(names.len(), catalogue.keyed.len(), "a name for each");
    for keyed in &catalogue.keyed {
        let name = keyed.facts.name.as_str();
        assert!(catalogue.list(name).is_none() && catalogue.child(name).is_none(), "{name}");
        let parent = catalogue.list(&keyed.parent).expect(name);
        for (_, property) in &keyed.params {
            assert!(parent.fields.iter().any(|field| field.name == *property), "{name}");
        }
        let has_key = |key: &String| keyed.facts.fields.iter().any(|field| field.name == *key);
        assert!(keyed.key.as_ref().is_none_or(has_key), "{name}");
        assert!(!keyed.ids_repeat || keyed.key.is_some(), "{name}");
        if let Some(none_if) = &keyed.none_if {
            let property = none_if.field.split('.').next().unwrap_or_default();
            assert!(parent.fields.iter().any(|field| field.name == property), "{name}");
        }
    }
    for (name, parent, key) in [
        ("customer_tax_ids", "customers", Some("customer")),
        ("customer_payment_methods", "customers", Some("customer")),
        ("checkout_session_line_items", "checkout_sessions", None),
        ("quote_computed_upfront_line_items", "quotes", None),
        ("persons", "accounts", Some("account")),
        ("capabilitys", "accounts", Some("account")),
        ("transfer_reversals", "transfers", Some("transfer")),
        ("radar_value_list_items", "radar_value_lists", Some("value_list")),
        ("v2_core_account_persons", "v2_core_accounts", Some("account")),
    ] {
        let keyed = catalogue.keyed(name).expect(name);
        assert_eq!((keyed.parent.as_str(), keyed.key.as_deref()), (parent, key), "{name}");
    }
}

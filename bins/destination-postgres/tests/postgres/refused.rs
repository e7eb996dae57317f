//! Values and rows that do not fit.

use serde_json::{Value, json};
use testkit::{lines, program::Finished};

use crate::copy::{Copy, failure, object, program, records, written};

async fn letters(copy: &Copy<'_>, stream: Option<&str>) -> Vec<Value> {
    let config = copy.config.to_string();
    let listed = program().args(["dead-letters", "list", "--config", &config]);
    let listed = match stream {
        Some(stream) => listed.args(["--stream", stream]),
        None => listed,
    };
    let finished = listed.run("").await.expect_code(0);
    let logs = finished.of_type("log").into_iter();
    logs.filter_map(|log| log["log"].get("data").cloned()).collect()
}

async fn retry(copy: &Copy<'_>) -> Finished {
    let (config, catalog) = (copy.config.to_string(), copy.catalog.to_string());
    let arguments = ["dead-letters", "retry", "--config", &config, "--catalog", &catalog];
    program().args(arguments).run("").await.expect_code(0)
}

#[tokio::test]
async fn a_value_that_does_not_fit_its_column_costs_nothing_but_the_column() {
    let copy = Copy::new().await;
    let data = r#"{"id":"a","amount":1.50,"rate":"x","deleted":"maybe","name":"Ann","_account_id":"acct_1","_updated_at":1}"#;
    let done = copy.write(lines::raw_record("customers", data)).await.expect_code(0);
    assert_eq!(written(&done)["customers"], json!({"created": 1}));
    assert!(done.stdout.contains("kept in `_unfit`"), "{}", done.stdout);
    let row = "SELECT concat_ws('|', name, amount IS NULL, rate IS NULL, _raw_data->>'_unfit') \
               FROM stripe.customers";
    assert_eq!(
        copy.database.value(row).await,
        r#"Ann|t|t|{"rate": "x", "amount": 1.50, "deleted": "maybe"}"#
    );
    let again = copy.write(lines::raw_record("customers", data)).await.expect_code(0);
    assert_eq!(written(&again)["customers"], json!({"unchanged": 1}));
}

#[tokio::test]
async fn characters_that_no_jsonb_holds_are_replaced_and_told_once() {
    let copy = Copy::new().await;
    let data = |id: &str| {
        format!(
            r#"{{"id":"{id}\u0000","name":"\ud800 x \ud83d\ude00","a\u0000":1,"_account_id":"acct_1","_updated_at":1}}"#
        )
    };
    let input =
        lines::raw_record("customers", &data("a")) + &lines::raw_record("customers", &data("b"));
    let done = copy.write(&input).await.expect_code(0);
    assert_eq!(written(&done)["customers"], json!({"created": 2}));
    assert_eq!(done.stdout.matches("became U+FFFD\"").count(), 1, "{}", done.stdout);
    assert!(done.stdout.contains("6 characters"), "{}", done.stdout);
    let rows = copy.database.column("SELECT id || name FROM stripe.customers ORDER BY id").await;
    assert_eq!(rows, ["a\u{FFFD}\u{FFFD} x \u{1F600}", "b\u{FFFD}\u{FFFD} x \u{1F600}"]);
    let again = copy.write(&input).await.expect_code(0);
    assert_eq!(written(&again)["customers"], json!({"unchanged": 2}));
}

#[tokio::test]
async fn guilty_rows_are_found_and_kept_apart_and_the_rest_is_stored() {
    let copy = Copy::new().await;
    // Too long for an index even when compressed.
    let long = |seed: u64| {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'a' + u8::try_from((state >> 40) % 26).unwrap())
        };
        (0..9000).map(|_| next()).collect::<String>()
    };
    let mut input = records("customers", 700, 1);
    for number in 1..4 {
        input += &lines::record("customers", &object(&long(number), 1, "Ann"));
    }
    input += &records("customers", 900, 2);
    input += &lines::state("customers", &json!(1));
    let done = copy.write(input).await.expect_code(0);
    let counts = written(&done)["customers"].clone();
    assert_eq!(counts["refused"], 3, "{counts}");
    assert_eq!(done.of_type("source_state").len(), 1);
    assert_eq!(copy.database.value("SELECT count(*) FROM stripe.customers").await, "900");
    let letters = letters(&copy, Some("customers")).await;
    assert_eq!(letters.len(), 3);
    assert!(letters[0]["error"].as_str().unwrap().contains("index row"), "{}", letters[0]);
    assert!(done.stdout.contains("\"level\":\"error\""), "{}", done.stdout);
}

#[tokio::test]
async fn one_guilty_version_of_a_key_leaves_the_others() {
    let copy = Copy::new().await;
    copy.database
        .execute("ALTER TABLE stripe.customers ADD CONSTRAINT mine CHECK (name <> 'Bad')")
        .await;
    let input: String = [(1, "Ann"), (2, "Bad"), (3, "Eve")]
        .map(|(stamp, name)| lines::record("customers", &object("a", stamp, name)))
        .concat();
    let done = copy.write(&input).await.expect_code(0);
    assert_eq!(
        written(&done)["customers"]
            .as_object()
            .unwrap()
            .values()
            .filter_map(Value::as_u64)
            .sum::<u64>(),
        3
    );
    assert_eq!(copy.database.value("SELECT name FROM stripe.customers").await, "Eve");
    let input = lines::record("customers", &object("b", 2, "Bad"));
    for tries in [1, 2] {
        assert_eq!(copy.written(&input).await["customers"], json!({"refused": 1}));
        let letters = letters(&copy, None).await;
        assert_eq!((letters.len(), &letters[0]["tries"]), (1, &json!(tries)), "{letters:?}");
    }
}

#[tokio::test]
async fn a_retry_brings_dead_letters_back_and_keeps_those_that_still_do_not_fit() {
    let copy = Copy::new().await;
    copy.database
        .execute("ALTER TABLE stripe.customers ADD CONSTRAINT mine CHECK (name <> 'Bad')")
        .await;
    let mut foreign = object("c", 1, "Eve");
    foreign["_account_id"] = json!("acct_2");
    let input = lines::record("customers", &object("a", 7, "Bad"))
        + &lines::record("customers", &foreign)
        + &lines::record("customers", &object("b", 1, "Ann"));
    assert_eq!(copy.written(input).await["customers"], json!({"created": 1, "refused": 2}));
    assert_eq!(letters(&copy, None).await.len(), 2);
    retry(&copy).await;
    assert_eq!(letters(&copy, None).await.len(), 2);
    copy.database.execute("ALTER TABLE stripe.customers DROP CONSTRAINT mine").await;
    let done = retry(&copy).await;
    assert_eq!(written(&done)["customers"], json!({"created": 1, "refused": 1}));
    let left = letters(&copy, None).await;
    assert_eq!((left.len(), &left[0]["record"]["_account_id"]), (1, &json!("acct_2")));
    let row = "SELECT name || extract(epoch from _updated_at)::bigint FROM stripe.customers WHERE id = 'a'";
    assert_eq!(copy.database.value(row).await, "Bad7");
}

#[tokio::test]
async fn a_stream_whose_refused_records_cannot_be_kept_fails() {
    let copy = Copy::new().await;
    copy.database.execute("DROP TABLE stripe._sync_dead_letter").await;
    let mut nameless = object("a", 1, "Ann");
    nameless["id"] = json!(null);
    let input = lines::record("customers", &nameless) + &lines::state("customers", &json!(1));
    let done = copy.write(input).await.expect_code(0);
    let (text, _) = failure(&done, "stream_status");
    assert!(text.contains("_sync_dead_letter") && text.contains("setup"), "{text}");
    assert!(done.of_type("source_state").is_empty());
}

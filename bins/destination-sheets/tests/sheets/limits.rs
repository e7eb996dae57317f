//! What a spreadsheet cannot hold.

use serde_json::json;
use testkit::lines;

use crate::copy::{Copy, counts, failure, object, page, record, stream};

#[tokio::test]
async fn a_text_that_is_longer_than_a_cell_is_cut_and_counted() {
    let copy = Copy::of(&[stream("customers")]).await;
    let fits = "x".repeat(50_000);
    let long = "y".repeat(50_001);
    let input = record("customers", "fits", &fits) + &record("customers", "long", &long);
    for expected in ["created", "unchanged"] {
        let run = copy.write(&[stream("customers")], &input).await.expect_code(0);
        assert_eq!(counts(&run, "customers")[expected], 2);
        let messages = run.messages();
        let mut receipts = messages.iter().filter_map(|message| message["_receipts"].get(0));
        let cut = receipts.next().map(|one| [&one["reason"], &one["count"], &one["stream"]]);
        let told = [&json!("cut_cells"), &json!(1), &json!("customers")];
        assert_eq!(cut, (expected == "created").then_some(told));
    }
    let names = copy.column("customers", "name");
    assert_eq!(names["fits"], fits);
    assert_eq!(names["long"], format!("{}…[cut]", "y".repeat(49_994)));
}

#[tokio::test]
async fn a_key_that_is_longer_than_a_cell_is_refused_and_the_stream_goes_on() {
    let copy = Copy::of(&[stream("customers")]).await;
    let input = record("customers", &"k".repeat(50_001), "x") + &record("customers", "a", "x");
    let run = copy.write(&[stream("customers")], &input).await.expect_code(0);
    let sums = counts(&run, "customers");
    assert_eq!((sums["refused"], sums["created"]), (1, 1));
    assert!(run.stdout.contains("a key is empty or longer than a cell"), "{}", run.stdout);
}

#[tokio::test]
async fn a_stream_that_no_tab_can_hold_fails_before_anything_is_written() {
    let copy = Copy::new().await;
    let long = stream(&"x".repeat(101));
    let run = copy.setup(&[stream("customers"), long.clone()]).await.expect_code(2);
    assert!(failure(&run).0.contains("100 characters"), "{}", run.stdout);
    assert_eq!(copy.sheets.edit(&copy.id, |book| book.titles()), ["Sheet1"]);
    copy.setup(&[stream("customers")]).await.expect_code(0);
    let both = [stream("customers"), long];
    let run = copy.write(&both, &page("customers", (0, 2), ("a", 7))).await.expect_code(0);
    assert_eq!(run.of_type("stream_status")[0]["_class"], "config");
    assert_eq!(copy.rows("customers").len(), 2);
}

#[tokio::test]
async fn two_hundred_tabs_are_the_most() {
    let copy = Copy::new().await;
    copy.sheets.edit(&copy.id, |book| {
        for number in 0..198 {
            book.add_tab(&format!("t{number}"), 1, 1);
        }
    });
    let run = copy.setup(&[stream("customers"), stream("charges")]).await.expect_code(2);
    assert!(failure(&run).0.contains("200 tabs, this needs 201"), "{}", run.stdout);
}

#[tokio::test]
async fn ten_million_cells_are_the_most_and_the_stream_that_has_room_goes_on() {
    let both = [stream("customers"), stream("charges")];
    let copy = Copy::of(&both).await;
    // 26,000 cells of `Sheet1`, 9,000 of each tab, 840 of the overview; 1,008 rows would fit.
    copy.sheets.edit(&copy.id, |book| book.add_tab("mine", 9_946_088, 1));
    let input = page("customers", (0, 2100), ("a", 7)) + &page("charges", (0, 10), ("a", 7));
    let run = copy.write(&both, &input).await.expect_code(0);
    let status = &run.of_type("stream_status")[0]["stream_status"];
    assert_eq!(status["stream"], "customers");
    let error = status["error"].as_str().unwrap();
    assert!(error.contains("10000000 cells; there is room for"), "{error}");
    assert_eq!(copy.rows("charges").len(), 10);
    copy.write(&both, &page("customers", (0, 2007), ("a", 7))).await.expect_code(0);
    assert_eq!(copy.rows("customers").len(), 2007);
    let full = copy.setup(&[stream("invoices")]).await.expect_code(2);
    assert!(failure(&full).0.contains("10000000 cells"), "{}", full.stdout);
}

#[tokio::test]
async fn odd_characters_and_names_are_kept() {
    let copy = Copy::of(&[stream("it's a \"tab\"!")]).await;
    let name = "it's a \"tab\"!";
    let input = lines::raw_record(
        name,
        r#"{"id":"é😀","name":"a\u0000b\ud83dc\ttab","_account_id":"acct_1","_updated_at":1}"#,
    );
    copy.write(&[stream(name)], &input).await.expect_code(0);
    assert_eq!(copy.column(name, "name")["é😀"], "a\u{FFFD}b\u{FFFD}c\ttab");
    let again = lines::record(name, &json!(object("é😀", "new", 2)));
    copy.write(&[stream(name)], &again).await.expect_code(0);
    assert_eq!(copy.column(name, "name")["é😀"], "new");
}

//! Records that cannot be rows.

use serde_json::{Value, json};
use testkit::lines;
use testkit::program::{Finished, Program};

use crate::copy::{Copy, counts, object, record, stream};

const TAB: &str = "_dead_letters";

async fn list(copy: &Copy) -> Vec<Value> {
    let config = copy.config().to_string();
    let program = Program::at(env!("CARGO_BIN_EXE_destination-sheets"));
    let args = ["dead-letters", "list", "--config", &config];
    let run = program.args(args).run("").await.expect_code(0);
    let data = run.messages().into_iter().map(|message| message["log"]["data"].clone());
    data.filter(|data| data["record"].is_object()).collect()
}

async fn retry(copy: &Copy) -> Finished {
    let (config, catalog) =
        (copy.config().to_string(), lines::catalog(&[stream("customers")]).to_string());
    let program = Program::at(env!("CARGO_BIN_EXE_destination-sheets"));
    let args = ["dead-letters", "retry", "--config", &config, "--catalog", &catalog];
    program.args(args).run("").await.expect_code(0)
}

/// A record of another account, one without a key, and one whose key no cell holds.
fn bad() -> String {
    let mut foreign = object("c", "Eve", 7);
    foreign["_account_id"] = json!("acct_9");
    let mut nameless = object("d", "Eve", 7);
    nameless["id"] = json!(null);
    let long = record("customers", &"k".repeat(50_001), "x");
    lines::record("customers", &foreign) + &lines::record("customers", &nameless) + &long
}

#[tokio::test]
async fn what_cannot_be_a_row_is_kept_in_a_hidden_tab_with_the_reason() {
    let copy = Copy::of(&[stream("customers")]).await;
    let input = bad() + &record("customers", "a", "x") + &lines::state("customers", &json!(1));
    for tries in [1, 2] {
        let run = copy.write(&[stream("customers")], &input).await.expect_code(0);
        assert_eq!(counts(&run, "customers")["refused"], 3);
        assert_eq!(run.of_type("source_state").len(), 1);
        let letters = list(&copy).await;
        assert_eq!(letters.len(), 3, "told once each: {letters:?}");
        assert!(letters.iter().all(|letter| letter["tries"] == tries), "{letters:?}");
        for reason in ["acct_9", "no value for its key", "longer than a cell"] {
            let has = |letter: &Value| letter["error"].as_str().unwrap().contains(reason);
            assert!(letters.iter().any(has), "{reason}: {letters:?}");
        }
        let long = letters.iter().find(|letter| letter["record"]["name"] == "x").unwrap();
        assert_eq!(long["record"]["id"].as_str().unwrap().len(), 50_001);
        assert_eq!(long["record"]["_updated_at"], 7);
    }
    assert!(copy.sheets.edit(&copy.id, |book| book.is_hidden(TAB)));
    assert_eq!(copy.rows("customers").len(), 1);
}

#[tokio::test]
async fn a_retry_writes_what_fits_now_and_keeps_the_rest() {
    let copy = Copy::of(&[stream("customers")]).await;
    copy.write(&[stream("customers")], &bad()).await.expect_code(0);
    // The reason of one is mended by hand.
    copy.sheets.edit(&copy.id, |book| {
        let cells = book.cells(TAB);
        let row = cells.iter().position(|row| row[2].as_str().unwrap().contains("acct_9")).unwrap();
        let record = cells[row][6].as_str().unwrap().replace("acct_9", "acct_1");
        book.type_in(TAB, &format!("G{}", row + 1), &record);
    });
    let run = retry(&copy).await;
    assert_eq!(
        (counts(&run, "customers")["created"], counts(&run, "customers")["refused"]),
        (1, 2)
    );
    assert_eq!(copy.column("customers", "name")["c"], "Eve");
    assert_eq!(list(&copy).await.len(), 2);
    copy.write(&[stream("customers")], &bad()).await.expect_code(0);
    assert_eq!(list(&copy).await.len(), 3);
}

#[tokio::test]
async fn teardown_removes_the_letters_with_the_last_tab() {
    let copy = Copy::of(&[stream("customers")]).await;
    copy.write(&[stream("customers")], &bad()).await.expect_code(0);
    copy.program("teardown", &[stream("customers")]).run("").await.expect_code(0);
    assert_eq!(copy.sheets.edit(&copy.id, |book| book.titles()), ["Sheet1"]);
}

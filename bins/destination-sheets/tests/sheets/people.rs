//! What people do to a spreadsheet between runs and in the middle of one.

use serde_json::{Value, json};
use testkit::lines;
use testkit::sheets::Book;

use crate::copy::{Copy, counts, object, page, record, stream};

/// A sheet of five rows, edited, then written again with two rows changed and one new.
async fn after(edit: impl FnOnce(&mut Book)) -> Copy {
    let copy = Copy::of(&[stream("customers")]).await;
    copy.write(&[stream("customers")], &page("customers", (0, 5), ("a", 7))).await.expect_code(0);
    copy.sheets.edit(&copy.id, edit);
    let run = copy.write(&[stream("customers")], &news()).await.expect_code(0);
    assert_eq!(run.of_type("source_state").len(), 1, "{}", run.stdout);
    copy
}

fn news() -> String {
    page("customers", (3, 6), ("b", 9))
}

fn assert_right(copy: &Copy, tab: &str) {
    let names = copy.column(tab, "name");
    let texts: Vec<&str> = names.values().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(texts, ["a", "a", "a", "b", "b", "b"]);
    let stamps = copy.column(tab, "_updated_at");
    let stamps: Vec<u64> = stamps.values().map(|stamp| stamp.as_u64().unwrap()).collect();
    assert_eq!(stamps, [7, 7, 7, 9, 9, 9]);
}

#[tokio::test]
async fn columns_that_were_moved_are_found() {
    let copy = after(|book| {
        book.move_column("customers", 0, 6);
        book.move_column("customers", 8, 1);
    })
    .await;
    assert_right(&copy, "customers");
}

#[tokio::test]
async fn a_column_that_somebody_added_stays_as_it_is() {
    let copy = after(|book| {
        book.insert_column("customers", 1, "My notes");
        book.type_in("customers", "B3", "call her");
    })
    .await;
    assert_right(&copy, "customers");
    let notes = copy.column("customers", "My notes");
    assert_eq!(notes["cus_00001"], "call her");
    assert!(notes.iter().all(|(id, note)| id == "cus_00001" || *note == json!("")));
}

#[tokio::test]
async fn rows_that_were_sorted_are_found() {
    let copy = after(|book| book.sort_descending("customers", 0)).await;
    assert_right(&copy, "customers");
    assert_eq!(copy.cells("customers")[1][0], "cus_00004");
}

#[tokio::test]
async fn a_row_that_was_inserted_shifts_nothing() {
    let copy = after(|book| book.insert_row("customers", 3)).await;
    assert_right(&copy, "customers");
}

#[tokio::test]
async fn a_row_that_was_deleted_comes_back_when_it_comes_again() {
    let copy = after(|book| book.delete_row("customers", 5)).await;
    assert_right(&copy, "customers");
}

#[tokio::test]
async fn a_tab_that_was_renamed_is_still_ours() {
    let copy = after(|book| book.rename("customers", "Bob's clients")).await;
    assert_right(&copy, "Bob's clients");
}

#[tokio::test]
async fn a_copy_of_a_tab_is_not_taken_for_it() {
    let copy = after(|book| book.copy("customers", "Copy of customers")).await;
    assert_right(&copy, "customers");
    assert_eq!(copy.rows("Copy of customers").len(), 5);
}

#[tokio::test]
async fn what_somebody_wrote_under_our_columns_is_told_and_left_alone() {
    let copy = Copy::of(&[stream("customers")]).await;
    copy.write(&[stream("customers")], &page("customers", (0, 5), ("a", 7))).await.expect_code(0);
    copy.sheets.edit(&copy.id, |book| {
        book.type_in("customers", "A8", "Total");
        book.type_in("customers", "C10", "=SUM(D2:D6)");
    });
    let run = copy.write(&[stream("customers")], &news()).await.expect_code(0);
    assert!(run.stderr.contains("1 rows under our columns are not ours"), "{}", run.stderr);
    let cells = copy.cells("customers");
    assert_eq!(cells[7][0], "Total");
    assert_eq!(cells[9][2], "#EVALUATED");
    assert_eq!(cells[10][0], "cus_00005", "new rows go below everything");
    assert_eq!(copy.column("customers", "name")["cus_00004"], "b");
}

#[tokio::test]
async fn a_row_that_was_copied_is_told_and_the_first_is_kept_up() {
    let copy = Copy::of(&[stream("customers")]).await;
    copy.write(&[stream("customers")], &page("customers", (0, 2), ("a", 7))).await.expect_code(0);
    copy.sheets.edit(&copy.id, |book| {
        book.type_in("customers", "A4", "cus_00001");
        book.type_in("customers", "B4", "acct_1");
    });
    let run = copy.write(&[stream("customers")], &page("customers", (1, 3), ("b", 9))).await;
    let run = run.expect_code(0);
    assert!(run.stderr.contains("1 rows repeat a key"), "{}", run.stderr);
    let cells = copy.cells("customers");
    assert_eq!((&cells[2][2], cells[3].len()), (&json!("b"), 2));
    assert_eq!(cells[4][0], "cus_00002");
}

#[tokio::test]
async fn a_tab_that_was_deleted_fails_its_stream_until_setup_makes_a_new_place() {
    let both = [stream("customers"), stream("charges")];
    let copy = Copy::of(&both).await;
    let place = async || {
        let run = copy.setup(&both).await.expect_code(0);
        crate::copy::places(&run)["customers"]["id"].clone()
    };
    let before = place().await;
    copy.sheets.edit(&copy.id, |book| book.delete("customers"));
    let input = page("customers", (0, 2), ("a", 7)) + &page("charges", (0, 2), ("a", 7));
    let run = copy.write(&both, &input).await.expect_code(0);
    assert_eq!(run.of_type("stream_status")[0]["stream_status"]["stream"], "customers");
    assert_eq!(run.of_type("source_state").len(), 1);
    assert_ne!(place().await, before);
    copy.write(&both, &input).await.expect_code(0);
    assert_eq!((copy.rows("customers").len(), copy.rows("charges").len()), (2, 2));
}

#[tokio::test]
async fn a_column_that_was_deleted_is_made_again_and_filled() {
    let copy = Copy::of(&[stream("customers")]).await;
    copy.write(&[stream("customers")], &page("customers", (0, 2), ("a", 7))).await.expect_code(0);
    copy.sheets.edit(&copy.id, |book| book.delete_column("customers", 2));
    let run = copy.write(&[stream("customers")], &record("customers", "x", "x")).await;
    let status = run.expect_code(0).of_type("stream_status")[0]["stream_status"].clone();
    assert!(status["error"].as_str().unwrap().contains("no column `name`"), "{status}");
    copy.setup(&[stream("customers")]).await.expect_code(0);
    copy.write(&[stream("customers")], &page("customers", (0, 2), ("a", 7))).await.expect_code(0);
    assert_eq!(copy.column("customers", "name")["cus_00001"], "a");
}

#[tokio::test]
async fn a_cell_of_ours_that_somebody_changed_is_written_again_when_its_object_changes() {
    let copy = after(|book| book.type_in("customers", "C5", "mine")).await;
    assert_right(&copy, "customers");
}

/// One run: five rows, a state; then an edit just before a request of the second batch; then more.
async fn in_the_middle(
    line: &'static str,
    edit: impl FnOnce(&mut Book) + Send + 'static,
) -> (Copy, Vec<Value>) {
    let copy = Copy::of(&[stream("customers")]).await;
    let mut running = copy.program("write", &[stream("customers")]).start();
    running.send(&page("customers", (0, 5), ("a", 7))).await;
    running.message(|message| message["type"] == "source_state").await;
    copy.sheets.edit_before((line, 0), edit);
    running.send(&news()).await;
    let run = running.finish().await.expect_code(0);
    let states = run.of_type("source_state");
    assert_eq!(counts(&run, "customers").values().sum::<u64>(), 8, "{}", run.stdout);
    (copy, states)
}

#[tokio::test]
async fn rows_that_are_sorted_in_the_middle_of_a_run_are_found() {
    let (copy, states) = in_the_middle("GET", |book| book.sort_descending("customers", 0)).await;
    assert_eq!(states.len(), 2);
    assert_right(&copy, "customers");
}

#[tokio::test]
async fn a_column_that_is_inserted_in_the_middle_of_a_run_shifts_nothing() {
    let (copy, _) = in_the_middle("GET", |book| book.insert_column("customers", 0, "mine")).await;
    assert_right(&copy, "customers");
    assert!(copy.column("customers", "mine").values().all(|cell| *cell == json!("")));
}

#[tokio::test]
async fn a_tab_that_is_renamed_between_the_look_and_the_write_is_found() {
    let (copy, states) =
        in_the_middle("values:batchUpdate", |book| book.rename("customers", "mine")).await;
    assert_eq!(states.len(), 2);
    assert_right(&copy, "mine");
}

#[tokio::test]
async fn a_tab_that_is_deleted_in_the_middle_of_a_run_fails_its_stream_and_no_other() {
    let both = [stream("customers"), stream("charges")];
    let copy = Copy::of(&both).await;
    let mut running = copy.program("write", &both).start();
    running.send(&page("customers", (0, 5), ("a", 7))).await;
    running.message(|message| message["type"] == "source_state").await;
    copy.sheets.edit(&copy.id, |book| book.delete("customers"));
    running.send(&(page("customers", (5, 6), ("a", 7)) + &page("charges", (0, 2), ("a", 7)))).await;
    let run = running.finish().await.expect_code(0);
    let states: Vec<Value> = run.of_type("source_state");
    assert_eq!(states.len(), 2, "{}", run.stdout);
    assert_eq!(states[1]["source_state"]["stream"], "charges");
    assert_eq!(run.of_type("stream_status")[0]["stream_status"]["stream"], "customers");
    assert_eq!(copy.rows("charges").len(), 2);
}

#[tokio::test]
async fn rows_that_are_typed_below_ours_in_the_middle_of_a_run_are_kept() {
    let (copy, _) =
        in_the_middle("GET", |book| book.type_in("customers", "C8", "my own sum")).await;
    assert_right(&copy, "customers");
    assert_eq!(copy.cells("customers")[7][2], "my own sum");
}

#[tokio::test]
async fn an_overview_that_was_deleted_comes_back_with_setup() {
    let copy = after(|book| book.delete("Overview")).await;
    assert_right(&copy, "customers");
    copy.setup(&[stream("customers")]).await.expect_code(0);
    let changed = lines::record("customers", &object("cus_00000", "c", 20));
    copy.write(&[stream("customers")], &changed).await.expect_code(0);
    assert_eq!(copy.cells("Overview")[4][2], 6);
}

#[tokio::test]
async fn an_overview_that_is_sorted_in_the_middle_of_a_run_keeps_its_lines_apart() {
    let both = [stream("customers"), stream("charges")];
    let copy = Copy::of(&both).await;
    let mut running = copy.program("write", &both).start();
    running.send(&(page("customers", (0, 5), ("a", 7)) + &page("charges", (0, 2), ("a", 7)))).await;
    running.message(|message| message["source_state"]["stream"] == "charges").await;
    copy.sheets.edit(&copy.id, |book| book.insert_row("Overview", 5));
    running.send(&page("customers", (5, 6), ("a", 7))).await;
    running.finish().await.expect_code(0);
    let lines = copy.cells("Overview");
    let rows: Vec<(&Value, &Value)> = lines.iter().skip(5).map(|row| (&row[0], &row[2])).collect();
    assert_eq!(rows, [(&json!("customers"), &json!(6)), (&json!("charges"), &json!(2))]);
    assert!(lines[4].is_empty());
}

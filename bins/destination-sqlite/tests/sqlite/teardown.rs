use crate::copy::{Copy, stream};

const MINE: &str = "CREATE TABLE mine (x); CREATE TABLE _sync_state (sync_id TEXT, stream TEXT)";

fn names(copy: &Copy) -> Vec<String> {
    copy.column("SELECT name AS x FROM sqlite_master WHERE type = 'table' ORDER BY name")
}

#[tokio::test]
async fn teardown_removes_what_setup_made_and_nothing_else() {
    let copy = Copy::of(&[stream("customers"), stream("charges")]).await;
    copy.open().execute_batch(MINE).unwrap();
    copy.program("teardown", &[stream("customers")]).run("").await.expect_code(0);
    assert_eq!(names(&copy), ["_sync_meta", "_sync_state", "charges", "mine"]);
    copy.program("teardown", &[stream("charges"), stream("mine")]).run("").await.expect_code(0);
    assert_eq!(names(&copy), ["_sync_state", "mine"]);
}

#[tokio::test]
async fn teardown_without_a_catalog_removes_all_of_ours() {
    let copy = Copy::of(&[stream("customers"), stream("we\"ird; drop")]).await;
    copy.open().execute_batch(MINE).unwrap();
    let all = &copy.arguments("teardown", &[])[..3];
    let program = || testkit::program::Program::at(env!("CARGO_BIN_EXE_destination-sqlite"));
    let run = program().args(all).run("").await.expect_code(0);
    assert!(run.stdout.contains("dropped from"), "{}", run.stdout);
    assert_eq!(names(&copy), ["_sync_state", "mine"]);
    let run = program().args(all).run("").await.expect_code(0);
    assert!(run.stdout.contains("nothing dropped"), "{}", run.stdout);
}

#[tokio::test]
async fn a_file_that_is_not_there_needs_no_teardown() {
    let copy = Copy::new();
    copy.program("teardown", &[stream("customers")]).run("").await.expect_code(0);
    assert!(!copy.path.exists());
}

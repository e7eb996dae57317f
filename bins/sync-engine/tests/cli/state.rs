//! What is kept of a pipeline: shown, forgotten, carried elsewhere, and its runs.

use serde_json::{Value, json};
use testkit::program::Program;

use crate::desk::{CANARY, Desk};

fn with_key(program: Program) -> Program {
    program.args(["--stripe-api-key", CANARY])
}

fn state(desk: &Desk, verb: &str) -> Program {
    with_key(desk.command(&format!("state {verb}")))
}

#[tokio::test]
async fn a_state_is_shown_forgotten_and_brought_back() {
    let desk = Desk::usual();
    let run = state(&desk, "show").run("").await.expect_code(0);
    assert!(run.stdout.contains("nothing is known"), "{}", run.stdout);
    desk.sync().run("").await.expect_code(0);
    let run = state(&desk, "show").run("").await.expect_code(0);
    assert!(run.stdout.contains(r#"customers  {"n":1}"#), "{}", run.stdout);
    let export = state(&desk, "export").run("").await.expect_code(0);
    let exported: Value = serde_json::from_str(&export.stdout).unwrap();
    assert_eq!(exported["source"]["streams"], json!({"customers": {"n": 1}}));

    let reset = state(&desk, "reset").args(["--stream", "customers"]).run("").await;
    assert!(reset.expect_code(0).stderr.contains("1 streams of"));
    desk.sync().run("").await.expect_code(0);
    assert!(!desk.path("state.json").exists(), "it was read afresh");

    let other = json!({"streams": {"customers": {"n": 7}}}).to_string();
    state(&desk, "import").arg("-").run(other).await.expect_code(0);
    desk.sync().run("").await.expect_code(0);
    assert_eq!(desk.json("state.json")["streams"]["customers"]["n"], 7);
    // Into a file of its own, as another engine would hand it over.
    desk.write("exported.json", &export.stdout);
    let kept = ["--state", "kept.json"];
    state(&desk, "import").args(kept).arg("exported.json").run("").await.expect_code(0);
    desk.sync().args(kept).run("").await.expect_code(0);
    assert_eq!(desk.json("state.json")["streams"]["customers"]["n"], 1);
    let wrong = state(&desk, "import").arg("-").run("{}").await.expect_code(4);
    assert!(wrong.stderr.contains("neither `source` nor `streams`"), "{}", wrong.stderr);
}

#[tokio::test]
async fn a_stream_that_was_forgotten_is_read_although_its_run_goes_on() {
    let read = r#"start customers; record customers cus_1; state customers '{"n":1}'; complete customers
start charges; [ -f again ] || { touch again; exec sleep 600; }; complete charges"#;
    let desk = Desk::new(read, "exec cat");
    desk.sync().args(["--time-limit", "1"]).run("").await.expect_code(3);
    state(&desk, "reset").args(["--stream", "customers"]).run("").await.expect_code(0);
    let run = desk.sync().run("").await.expect_code(0);
    assert!(run.stderr.contains("customers: done"), "{}", run.stderr);
}

#[tokio::test]
async fn runs_are_listed_with_how_they_ended() {
    let desk = Desk::usual();
    let runs = || with_key(desk.command("runs"));
    let run = runs().run("").await.expect_code(0);
    assert!(run.stdout.starts_with("no run of pipeline"), "{}", run.stdout);
    desk.sync().args(["--run-id", "nightly"]).run("").await.expect_code(0);
    let run = runs().run("").await.expect_code(0);
    assert!(run.stdout.contains("nightly") && run.stdout.contains("complete"), "{}", run.stdout);
    let run = runs().arg("--json").run("").await.expect_code(0);
    let record = &run.messages()[0];
    assert_eq!((&record["run_id"], &record["exit_status"]), (&json!("nightly"), &json!(0)));
    assert_eq!(record["trigger"], "program");
    assert_eq!(record["progress"]["streams"]["customers"]["status"], "completed");
}

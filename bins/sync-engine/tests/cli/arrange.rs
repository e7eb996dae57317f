//! Making ready, clearing away, and one half of the pipe.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;
use testkit::program::Program;

use crate::desk::{CANARY, Desk};

fn with_key(program: Program) -> Program {
    program.args(["--stripe-api-key", CANARY])
}

#[tokio::test]
async fn setup_makes_both_sides_ready_or_one() {
    let desk = Desk::usual();
    let setup = || with_key(desk.command("setup"));
    setup().args(["--only", "source"]).run("").await.expect_code(0);
    assert!(!desk.path("destination.json").exists());
    let run = setup().args(["--streams", "charges"]).run("").await.expect_code(0);
    assert!(run.stderr.contains("ready: stripe -> SQLite file `./stripe.db`"), "{}", run.stderr);
    assert_eq!(desk.json("catalog.json")["streams"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_a_source_gives_back_is_kept_and_its_secret_for_its_owner_only() {
    let desk = Desk::usual();
    let config = json!({"api_key": CANARY, "api_version": "FIRST", "webhook_id": "we_1",
        "webhook_secret": "whsec_canary0123456789abcdef"});
    let control = json!({"control_type": "source_config", "source_config": config});
    desk.write("control.json", &format!("{}\n", json!({"type": "control", "control": control})));
    let run = with_key(desk.command("setup")).run("").await.expect_code(0);
    let folder = desk.path(".local/state/sync-engine");
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    assert!(run.stderr.contains(&file.display().to_string()), "it is told: {}", run.stderr);
    assert!(!run.stderr.contains("whsec_canary"), "{}", run.stderr);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let kept =
        String::from_utf8_lossy(&std::fs::read(desk.path("stripe.db")).unwrap()).into_owned();
    assert!(kept.contains("we_1") && !kept.contains("whsec_canary"));

    std::fs::remove_file(desk.path("control.json")).unwrap();
    desk.sync().run("").await.expect_code(0);
    let given = desk.json("config.json");
    assert_eq!(given["webhook_id"], "we_1");
    assert_eq!(given["webhook_secret"], "whsec_canary0123456789abcdef");
}

#[tokio::test]
async fn teardown_removes_only_what_is_named_and_meant_and_forgets_its_state() {
    let desk = Desk::usual();
    desk.sync().run("").await.expect_code(0);
    let teardown = || with_key(desk.command("teardown"));
    let run = teardown().arg("--yes").env("DATABASE_URL", "postgres://h/d").run("").await;
    let run = run.expect_code(4);
    assert!(run.stderr.contains("removes only what is named"), "{}", run.stderr);
    let sheet = teardown().args(["--sheets-id", "1AbC"]).run("").await.expect_code(4);
    assert!(sheet.stderr.contains("nobody can be asked"), "it is named: {}", sheet.stderr);
    let named = ["--sqlite", "./stripe.db"];
    let run = teardown().args(named).run("").await.expect_code(4);
    assert!(run.stderr.contains("nobody can be asked"), "{}", run.stderr);
    assert!(!desk.path("torn.json").exists() && !desk.path("source-torn").exists());

    let only = ["--only", "destination", "--yes"];
    teardown().args(named).args(only).run("").await.expect_code(0);
    assert_eq!(desk.json("torn.json")["path"], "./stripe.db");
    assert!(!desk.path("source-torn").exists());
    desk.sync().run("").await.expect_code(0);
    assert!(!desk.path("state.json").exists(), "it is read afresh");
    teardown().args(["--only", "source", "--yes"]).run("").await.expect_code(0);
    assert!(desk.path("source-torn").exists());
}

#[tokio::test]
async fn each_half_of_the_pipe_can_be_used_alone() {
    let desk = Desk::usual();
    let read = || with_key(desk.command("read"));
    let run = read().args(["--streams", "customers"]).run("").await.expect_code(0);
    assert_eq!(run.of_type("record").len(), 1, "another stream is not passed on");
    let state = r#"{"streams":{"customers":{"n":5}}}"#;
    read().args(["--from-state", state]).run("").await.expect_code(0);
    assert_eq!(desk.json("state.json")["streams"]["customers"]["n"], 5);

    let catalog = with_key(desk.command("discover")).arg("--json").run("").await.expect_code(0);
    desk.write("given.json", &catalog.stdout);
    let write = with_key(desk.command("write")).args(["--catalog", "given.json"]);
    let written = write.run(run.stdout.as_bytes()).await.expect_code(0);
    assert_eq!(written.stdout, run.stdout);

    let broken = Desk::new("failed 'the key was refused' credentials; exit 1", "exit 3");
    let run = with_key(broken.command("read")).run("").await.expect_code(5);
    assert!(run.stderr.contains("the key was refused"), "{}", run.stderr);
    broken.write("given.json", &catalog.stdout);
    let write = with_key(broken.command("write")).args(["--catalog", "given.json"]);
    write.run("").await.expect_code(7);
}

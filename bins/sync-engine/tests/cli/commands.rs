//! Help, usage errors and the small commands.

use protocol::exit;

use crate::desk::{CANARY, Desk};

#[tokio::test]
async fn help_opens_with_examples_and_names_the_exit_statuses() {
    let run = Desk::usual().bare().arg("--help").run("").await.expect_code(0);
    let examples = run.stdout.find("sync-engine demo").unwrap();
    assert!(examples < run.stdout.find("Usage:").unwrap(), "{}", run.stdout);
    for status in ["130  stopped", "    8  done, but", "    3  stopped by a limit"] {
        assert!(run.stdout.contains(status), "{}", run.stdout);
    }
    assert!(!run.stdout.contains("__child"), "{}", run.stdout);
}

#[tokio::test]
async fn help_never_shows_a_key_from_the_environment() {
    let desk = Desk::usual();
    let program = desk.bare().env("STRIPE_API_KEY", CANARY).args(["sync", "--help"]);
    let run = program.run("").await.expect_code(0);
    assert!(run.stdout.contains("env: STRIPE_API_KEY") && !run.stdout.contains(CANARY));
}

#[tokio::test]
async fn a_wrong_command_line_is_usage() {
    let desk = Desk::usual();
    let lines: [&[&str]; 7] = [
        &["sync", "--no-such-flag"],
        &["sync", "--sqlite", "a.db", "--postgres-url", "postgres://h/d"],
        &["sync", "--backfill-limit", "many"],
        &["sync", "--source.rate_limit"],
        &["nonsense"],
        &["runs", "--limit", "0"],
        &["demo", "--source.rate_limit", "5"],
    ];
    for line in lines {
        let run = desk.bare().args(line).run("").await.expect_code(i32::from(exit::USAGE));
        assert!(run.stderr.contains("error"), "{line:?}: {}", run.stderr);
    }
}

#[tokio::test]
async fn the_hidden_step_refuses_to_be_called_by_hand() {
    let desk = Desk::usual();
    for line in [&["__child"][..], &["__child", "x", "/bin/echo"], &["__child", "1", "/bin/echo"]] {
        let run = desk.bare().args(line).run("").await.expect_code(126);
        assert!(run.stderr.starts_with("error: "), "{}", run.stderr);
        assert!(run.stdout.is_empty());
    }
}

#[tokio::test]
async fn check_says_a_line_for_each_side() {
    let desk = Desk::usual();
    let check = || desk.command("check").args(["--stripe-api-key", CANARY]);
    let run = check().run("").await.expect_code(0);
    assert_eq!(
        run.stdout,
        "source stripe: ok (acct_1)\ndestination SQLite file `./stripe.db`: ok\n"
    );
    let missing = check().args(["--destination", r#"{"type":"nowhere"}"#]).run("").await;
    let missing = missing.expect_code(i32::from(exit::CONFIG));
    assert!(missing.stdout.contains("source stripe: ok"), "{}", missing.stdout);
    assert!(missing.stdout.contains("no program `destination-nowhere`"), "{}", missing.stdout);
}

#[tokio::test]
async fn discover_shows_the_streams_and_json_the_catalog() {
    let desk = Desk::usual();
    let discover = || desk.command("discover").args(["--stripe-api-key", CANARY]);
    let run = discover().run("").await.expect_code(0);
    assert!(run.stdout.starts_with("2 streams of acct_1\n"), "{}", run.stdout);
    let run = discover().arg("--json").run("").await.expect_code(0);
    assert_eq!(run.of_type("catalog")[0]["catalog"]["streams"][1]["name"], "charges");
}

#[tokio::test]
async fn connectors_and_completions_are_written_to_stdout() {
    let desk = Desk::usual();
    let run = desk.bare().arg("connectors").run("").await.expect_code(0);
    assert!(run.stdout.contains("connector"), "{}", run.stdout);
    let run = desk.bare().args(["completions", "bash"]).run("").await.expect_code(0);
    assert!(run.stdout.contains("sync-engine"), "{}", run.stdout);
}

#[tokio::test]
async fn the_demo_fills_a_file_and_answers_questions() {
    // Said here, with what to build, rather than by the demo.
    for program in ["fake-stripe", "source-stripe", "destination-sqlite"] {
        testkit::programs::path(program);
    }
    let desk = Desk::usual();
    let demo = || desk.bare().args(["demo", "--path", "copy.db"]);
    let run = demo().run("").await.expect_code(0);
    assert!(run.stderr.contains("streams: 13 complete"), "{}", run.stderr);
    assert_eq!(run.stdout.matches("SELECT ").count(), 3, "{}", run.stdout);
    assert!(desk.path("copy.db").exists());
    let again = demo().run("").await.expect_code(0);
    assert!(!again.stderr.contains(" new)"), "{}", again.stderr);
    assert_eq!(again.stdout, run.stdout);
}

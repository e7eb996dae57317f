//! Runs: what is written where, how they end, who outlives whom.

use serde_json::json;
use testkit::program::Signal;
use testkit::wait::until;

use crate::desk::{Desk, READ};

#[tokio::test]
async fn stdout_holds_messages_and_nothing_else() {
    let desk = Desk::usual();
    let run = desk.sync().args(["--output", "ndjson"]).run("").await.expect_code(0);
    let messages = run.messages();
    assert_eq!(messages.last().unwrap()["type"], "eof");
    assert!(run.of_type("record").is_empty());
    assert_eq!(run.of_type("source_state").len(), 1);
    assert!(!run.of_type("progress").is_empty());
    for message in &messages {
        assert!(message["_emitted_by"].is_string() && message["_ts"].is_string(), "{message}");
    }
    let plain = desk.sync().run("").await.expect_code(0);
    assert!(plain.stdout.is_empty(), "{}", plain.stdout);
}

#[tokio::test]
async fn the_first_line_says_what_goes_where_and_the_last_whether_it_is_complete() {
    let run = Desk::usual().sync().run("").await.expect_code(0);
    let lines: Vec<&str> = run.stderr.lines().collect();
    let first = "stripe acct_1 (test data) -> SQLite file `./stripe.db`: 2 streams";
    assert_eq!(lines.first(), Some(&first));
    assert!(lines.contains(&"customers: started"), "{}", run.stderr);
    assert!(lines.contains(&"customers: done, 1 record"), "{}", run.stderr);
    assert!(lines.contains(&"streams: 2 complete"), "{}", run.stderr);
    assert_eq!(lines.last(), Some(&"complete; run the same command again for what is new"));
    assert!(!run.stderr.contains('\x1b'), "no escape codes where nobody draws: {:?}", run.stderr);
    let quiet = Desk::usual().sync().arg("-q").run("").await.expect_code(0);
    assert_eq!(quiet.stderr, "");
}

#[tokio::test]
async fn state_lives_in_the_copy_unless_told_otherwise() {
    let desk = Desk::usual();
    desk.sync().run("").await.expect_code(0);
    assert!(!desk.path("state.json").exists());
    desk.sync().run("").await.expect_code(0);
    assert_eq!(desk.json("state.json"), json!({"streams": {"customers": {"n": 1}}}));
    std::fs::remove_file(desk.path("state.json")).unwrap();
    desk.sync().arg("--full-refresh").run("").await.expect_code(0);
    assert!(!desk.path("state.json").exists());
    desk.sync().args(["--full-refresh", "charges"]).run("").await.expect_code(0);
    assert!(desk.path("state.json").exists());
    std::fs::remove_file(desk.path("state.json")).unwrap();
    desk.sync().arg("--no-state").run("").await.expect_code(0);
    desk.sync().args(["--state", "kept.json"]).run("").await.expect_code(0);
    assert!(!desk.path("state.json").exists());
    assert_eq!(desk.json("kept.json")["source"]["streams"]["customers"], json!({"n": 1}));
}

#[tokio::test]
async fn every_ending_has_its_exit_status() {
    let error = r#"start customers; status customers '"status":"error","error":"no"'; start charges; complete charges"#;
    let table = [
        (error, "exec cat", 8, "failed: customers: no"),
        ("failed 'the key was refused' credentials; exit 1", "exec cat", 5, "the key was refused"),
        ("failed 'no route' unreachable; exit 1", "exec cat", 6, "source-stripe: no route"),
        ("echo oops >&2; exit 9", "exec cat", 1, "exited with status 9; its last words: oops"),
        (
            READ,
            "failed 'disk full' internal; cat >/dev/null; exit 1",
            7,
            "destination-sqlite: disk full",
        ),
        (READ, "cat >/dev/null; kill -9 $$", 7, "was killed by signal 9"),
    ];
    for (read, write, code, says) in table {
        let run = Desk::new(read, write).sync().run("").await.expect_code(code);
        assert!(run.stderr.contains(says), "`{says}` is not in: {}", run.stderr);
    }
}

#[tokio::test]
async fn what_is_tolerated_is_no_reason_for_an_exit_status() {
    let read = r#"start customers; status customers '"status":"error","error":"no"'; start charges; complete charges"#;
    let desk = Desk::new(read, "exec cat");
    desk.sync().args(["--tolerate", "dead-letters"]).run("").await.expect_code(8);
    let run = desk.sync().args(["--tolerate", "dead-letters,streams"]).run("").await;
    assert!(run.expect_code(0).stderr.contains("failed: customers: no"));
}

#[tokio::test]
async fn a_limit_that_leaves_more_to_do_is_told_by_the_exit_status() {
    let open = "start customers; record customers cus_1; start charges; complete charges";
    for read in [open, READ] {
        let desk = Desk::new(read, "exec cat");
        let run = desk.sync().args(["--backfill-limit", "1"]).run("").await.expect_code(3);
        assert!(run.stderr.contains("not complete; run the same command again"), "{}", run.stderr);
    }
    Desk::usual().sync().args(["--backfill-limit", "2"]).run("").await.expect_code(0);
}

const ENDLESS: &str = r#"echo $$ > pid; start customers; record customers cus_1; state customers '{"n":1}'; exec sleep 600"#;

#[tokio::test]
async fn sigterm_stops_with_the_state_saved() {
    let desk = Desk::new(ENDLESS, "exec cat");
    let mut running = desk.sync().args(["--output", "ndjson"]).start();
    running.message(|message| message["type"] == "source_state").await;
    running.signal(Signal::TERM);
    let stopped = running.finish().await.expect_code(143);
    let eof = &stopped.of_type("eof")[0]["eof"];
    assert_eq!((&eof["reason"], &eof["has_more"]), (&json!("signal"), &json!(true)));
}

#[tokio::test]
async fn a_killed_engine_takes_its_connectors_with_it() {
    let desk = Desk::new(ENDLESS, "trap '' TERM INT; exec cat");
    let mut running = desk.sync().args(["--output", "ndjson"]).start();
    running.message(|message| message["type"] == "source_state").await;
    let source = std::fs::read_to_string(desk.path("pid")).unwrap();
    running.signal(Signal::KILL);
    assert_eq!(running.finish().await.signal(), Some(9));
    until("the source is gone", async || !lives(source.trim())).await;
}

#[tokio::test]
async fn one_run_at_a_time_and_a_killed_one_is_replaced_at_once() {
    let desk = Desk::new(ENDLESS, "exec cat");
    let mut first = desk.sync().args(["--output", "ndjson"]).start();
    first.message(|message| message["type"] == "source_state").await;
    let second = desk.sync().run("").await.expect_code(7);
    let holder = format!("is being run by process {} on", first.id());
    assert!(second.stderr.contains(&holder), "{}", second.stderr);
    first.signal(Signal::KILL);
    first.finish().await;
    let again = READ.replace("start customers", "echo $$ > pid; start customers");
    let script = std::fs::read_to_string(desk.path("source.sh")).unwrap();
    desk.write("source.sh", &script.replace(ENDLESS, &again));
    desk.sync().run("").await.expect_code(0);
}

/// A process that became a zombie counts as gone.
fn lives(id: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[tokio::test]
async fn a_key_is_in_no_output_no_command_line_and_no_copy() {
    // Of its own, since other tests put theirs on a command line.
    let key = "sk_test_seennowhere0123456789";
    let read =
        format!("cat /proc/[0-9]*/cmdline > seen 2>/dev/null; echo 'using {key}' >&2\n{READ}");
    let desk = Desk::new(&read, "exec cat");
    let sync = desk.command("sync").env("STRIPE_API_KEY", key);
    let run = sync.args(["-vv", "--output", "ndjson"]).run("").await.expect_code(0);
    assert!(!run.stdout.contains(key) && !run.stderr.contains(key), "{}", run.stderr);
    assert!(run.stderr.contains("using sk_test_…6789"), "{}", run.stderr);
    let holds_key = |name: &str| {
        let bytes = std::fs::read(desk.path(name)).unwrap();
        String::from_utf8_lossy(&bytes).contains(key)
    };
    assert!(!holds_key("seen"), "a command line holds the key");
    assert!(!holds_key("stripe.db"), "the copy holds the key");
}

#[tokio::test]
async fn requests_made_before_anything_is_read_are_counted_with_the_run() {
    let desk = Desk::usual();
    let script = std::fs::read_to_string(desk.path("source.sh")).unwrap();
    let told = r#"discover) say '{"type":"log","log":{"level":"debug","message":"2 requests were made"},"_requests":{"/v1/account":2}}';"#;
    desk.write("source.sh", &script.replacen("discover)", told, 1));
    let run = desk.sync().arg("-v").run("").await.expect_code(0);
    assert!(run.stderr.contains("requests to the source: 2; 2 in 20"), "{}", run.stderr);
}

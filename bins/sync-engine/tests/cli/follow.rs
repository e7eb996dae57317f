//! `sync --follow`, as a service runs it.

use serde_json::json;
use testkit::program::Signal;

use crate::desk::Desk;

/// Reads both streams, then goes on: with a change of a customer, and with what it cost.
const LIVE: &str = r#"[ -n "$follow" ] || exit 9
[ -z "$state" ] || cp "$state" given.json
start customers; record customers cus_1; state customers '{"n":1}'; complete customers
start charges; complete charges
say '{"type":"log","log":{"level":"warn","message":"told"},"_receipts":[{"stream":"charges","reason":"gap","count":0,"message":"deletes of 5 days are not known"}],"_requests":{"/v1/customers":7},"_up_to":{"charges":"2026-01-06T00:00:00.000Z"}}'
record customers cus_1; state customers '{"n":2}'
exec sleep 600"#;

#[tokio::test]
async fn sigterm_is_a_clean_end_and_the_next_start_goes_on() {
    let desk = Desk::new(LIVE, "exec cat");
    let follow = || desk.sync().args(["--follow", "--output", "ndjson", "-v"]);
    let is_second = |message: &serde_json::Value| {
        message["type"] == "source_state" && message["source_state"]["data"]["n"] == 2
    };
    let mut running = follow().start();
    running.message(is_second).await;
    running.signal(Signal::TERM);
    let stopped = running.finish().await.expect_code(0);
    let eof = &stopped.of_type("eof")[0]["eof"];
    assert_eq!((&eof["reason"], &eof["has_more"]), (&json!("signal"), &json!(true)));
    let says = |text: &str| assert!(stopped.stderr.contains(text), "{text}: {}", stopped.stderr);
    says(": 2 streams, followed until it is stopped");
    says("charges: gap: deletes of 5 days are not known");
    says("requests to the source: 7; 7 in 20");
    says("stopped; run the same command again to go on from here");

    let mut running = follow().start();
    running.message(is_second).await;
    running.signal(Signal::KILL);
    running.finish().await;
    assert_eq!(desk.json("given.json"), json!({"streams": {"customers": {"n": 2}}}));
    let mut running = follow().start();
    running.message(is_second).await;
    running.signal(Signal::INT);
    running.finish().await.expect_code(0);

    let runs = desk.command("runs").args(["--stripe-api-key", crate::desk::CANARY]);
    let runs = runs.run("").await.expect_code(0).stdout;
    let lines: Vec<&str> = runs.lines().collect();
    assert_eq!(lines.len(), 6, "three runs: {runs}");
    assert!(lines[2].contains("stopped") && lines[3].contains("live or cut off"), "{runs}");
    // What the one that was killed had not noted yet is not counted.
    let in_month: u64 = lines[5].rsplit(' ').next().unwrap().parse().unwrap();
    assert!(lines[5].starts_with("requests in 20") && (14..=21).contains(&in_month), "{runs}");
    let streams = desk.command("runs").args(["--stripe-api-key", crate::desk::CANARY, "--streams"]);
    let streams = streams.run("").await.expect_code(0).stdout;
    assert!(streams.contains("2026-01-06T00:00:00.000Z"), "{streams}");

    let copy = rusqlite::Connection::open(desk.path("stripe.db")).unwrap();
    let asked = "SELECT up_to FROM _sync_freshness WHERE stream = 'charges'";
    let up_to: String = copy.query_row(asked, [], |row| row.get(0)).unwrap();
    assert_eq!(up_to, "2026-01-06T00:00:00.000Z");
}

#[tokio::test]
async fn one_half_of_the_pipe_follows_too() {
    let desk = Desk::new(LIVE, "exit 3");
    let read = desk.command("read").args(["--stripe-api-key", crate::desk::CANARY, "--follow"]);
    let mut running = read.start();
    running.message(|message| message["source_state"]["data"]["n"] == 2).await;
    running.signal(Signal::TERM);
    let stopped = running.finish().await.expect_code(0);
    assert_eq!(stopped.of_type("record").len(), 2);
}

#[tokio::test]
async fn limits_do_not_go_with_it() {
    let desk = Desk::usual();
    let limits = ["--time-limit=5", "--state-limit=5", "--until=2026-01-01", "--run-id=x"];
    for limit in limits {
        let run = desk.sync().args(["--follow", limit]).run("").await.expect_code(2);
        let flag = limit.split('=').next().unwrap();
        assert!(run.stderr.contains("--follow") && run.stderr.contains(flag), "{}", run.stderr);
    }
}

#[tokio::test]
async fn a_source_that_cannot_is_named_with_what_to_do() {
    let read = r#"[ -z "$follow" ] || { echo "error: unexpected argument '--follow' found" >&2; exit 2; }"#;
    let run = Desk::new(read, "exec cat").sync().arg("--follow").run("").await.expect_code(4);
    assert!(run.stderr.contains("it cannot follow: run without `--follow`"), "{}", run.stderr);
}

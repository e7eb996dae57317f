//! Questions that change nothing: what would happen, what is missing, what could not be stored.

use testkit::program::Program;

use crate::desk::{CANARY, Desk, READ};

fn with_key(program: Program) -> Program {
    program.args(["--stripe-api-key", CANARY])
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let desk = Desk::usual();
    let run = desk.sync().arg("--dry-run").run("").await.expect_code(0);
    assert!(run.stdout.starts_with("stripe acct_1 (test data) -> SQLite"), "{}", run.stdout);
    assert!(run.stdout.contains("customers  afresh"), "{}", run.stdout);
    assert!(!desk.path("stripe.db").exists() && !desk.path("destination.json").exists());
    desk.sync().run("").await.expect_code(0);
    let run = desk.sync().arg("--dry-run").run("").await.expect_code(0);
    assert!(run.stdout.contains("customers  from where it was"), "{}", run.stdout);

    let refreshed =
        |streams: &'static str| desk.sync().args(["--dry-run", "--full-refresh", streams]);
    let run = refreshed("charges").run("").await.expect_code(0);
    assert!(run.stdout.contains("customers  from where it was"), "{}", run.stdout);
    let run = refreshed("customers").run("").await.expect_code(0);
    assert!(run.stdout.contains("customers  afresh"), "{}", run.stdout);

    let cut = READ.replace("start charges", "exec sleep 600; start charges");
    let desk = Desk::new(&cut, "exec cat");
    desk.sync().args(["--time-limit", "1", "--run-id", "r1"]).run("").await.expect_code(3);
    let run = desk.sync().arg("--dry-run").run("").await.expect_code(0);
    assert!(run.stdout.contains("run r1 is unfinished and would go on"), "{}", run.stdout);
    assert!(run.stdout.contains("customers  not: it is done in this run"), "{}", run.stdout);
    let run = desk.sync().args(["--dry-run", "--follow"]).run("").await.expect_code(0);
    assert!(!run.stdout.contains("is unfinished"), "it would be a run of its own: {}", run.stdout);
    assert!(run.stdout.contains("customers  from where it was"), "{}", run.stdout);
}

#[tokio::test]
async fn check_asks_stream_by_stream_and_says_what_is_missing() {
    let desk = Desk::usual();
    let script = std::fs::read_to_string(desk.path("source.sh")).unwrap();
    let told = r#"check) cp "$catalog" checked.json; say '{"type":"log","log":{"level":"info","message":"`customers`: ok"}}'; say '{"type":"log","log":{"level":"warn","message":"`charges`: permission missing","data":{"stream":"charges","class":"permission"}}}'"#;
    desk.write("source.sh", &script.replace("check)", &format!("{told};")));
    let check = || with_key(desk.command("check"));
    let run = check().arg("--streams").run("").await.expect_code(8);
    assert!(run.stdout.contains("  `customers`: ok\n"), "{}", run.stdout);
    assert!(run.stdout.contains("  `charges`: permission missing\n"), "{}", run.stdout);
    assert_eq!(desk.json("checked.json")["streams"].as_array().unwrap().len(), 2);
    check().args(["--streams", "charges"]).run("").await.expect_code(8);
    assert_eq!(desk.json("checked.json")["streams"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_warning_that_is_about_no_stream_and_a_product_not_enabled_are_nothing_missing() {
    let desk = Desk::usual();
    let script = std::fs::read_to_string(desk.path("source.sh")).unwrap();
    let told = r#"check) say '{"type":"log","log":{"level":"warn","message":"the cache cannot be written"}}'; say '{"type":"log","log":{"level":"warn","message":"`charges`: not enabled"}}'"#;
    desk.write("source.sh", &script.replace("check)", &format!("{told};")));
    let run = with_key(desk.command("check")).arg("--streams").run("").await.expect_code(0);
    assert!(run.stdout.contains("  the cache cannot be written\n"), "{}", run.stdout);
    assert!(run.stdout.contains("  `charges`: not enabled\n"), "{}", run.stdout);
}

const LETTERS: &str = r#"case "$1 $2" in
"spec ") echo '{"type":"spec","spec":{"config":{"type":"object"}}}';;
"dead-letters list") echo "$@" > args; echo '{"type":"log","log":{"level":"info","message":"m","data":{"stream":"charges","key":"[\"ch_1\"]","error":"too long","at":"2026","tries":2,"record":{}}}}'; echo '{"type":"log","log":{"level":"info","message":"1 dead letters"}}';;
"dead-letters retry") echo '{"type":"log","log":{"level":"info","message":"0 dead letters"}}';;
esac"#;

#[tokio::test]
async fn dead_letters_are_listed_and_tried_again() {
    let desk = Desk::usual();
    desk.write("letters.sh", LETTERS);
    let ask = |verb: &str| {
        let connectors = ["--connector", "destination.letters=sh letters.sh"];
        with_key(desk.command(&format!("dead-letters {verb}")))
            .args(connectors)
            .args(["--destination", r#"{"type":"letters","letters":{}}"#])
    };
    let run = ask("list").args(["--stream", "charges"]).run("").await.expect_code(0);
    assert!(run.stdout.contains(r#"charges  ["ch_1"]      2  2026"#), "{}", run.stdout);
    assert!(run.stderr.contains("1 dead letters"), "{}", run.stderr);
    let given = std::fs::read_to_string(desk.path("args")).unwrap();
    assert!(given.contains("--stream=charges"), "{given}");
    let run = ask("list").arg("--json").run("").await.expect_code(0);
    assert_eq!(run.messages()[0]["error"], "too long");
    ask("retry").run("").await.expect_code(0);
}

#[tokio::test]
async fn connectors_tell_what_they_can_be_told() {
    testkit::programs::path("destination-sqlite");
    let run = Desk::usual().bare().args(["connectors", "--json"]).run("").await.expect_code(0);
    let found = run.messages();
    let sqlite = found.iter().find(|line| line["connector"] == "destination-sqlite").unwrap();
    assert!(sqlite["spec"]["config"]["properties"]["path"].is_object(), "{sqlite}");
}

#[tokio::test]
async fn a_dry_run_shows_what_setup_would_do_only_where_the_destination_says_that_it_can_tell() {
    let desk = Desk::usual();
    let script = std::fs::read_to_string(desk.path("destination.sh")).unwrap();
    let flagged = script.replacen(
        r#"{"type":"spec","spec":{"#,
        r#"{"type":"spec","spec":{"setup_dry_run":true,"#,
        1,
    );
    let flagged =
        flagged.replace("while [", "[ \"$1\" != --dry-run ] || { dry=1; shift; }\nwhile [");
    let told = r#"setup) if [ -n "$dry" ]; then say '{"type":"log","log":{"level":"info","message":"CREATE TABLE customers ()"}}'; exit; fi"#;
    desk.write("destination.sh", &flagged.replacen("setup)", &format!("{told};"), 1));
    let run = desk.sync().arg("--dry-run").run("").await.expect_code(0);
    assert!(run.stdout.contains("  CREATE TABLE customers ()\n"), "{}", run.stdout);
    assert!(run.stdout.contains("at least 2 requests, about "), "{}", run.stdout);
    assert!(!desk.path("destination.json").exists());
}

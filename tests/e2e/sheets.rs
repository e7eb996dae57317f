//! From a Stripe account into a spreadsheet, by the command line.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::program::{Program, Signal};
use testkit::sheets::{FakeSheets, Fault};
use testkit::stripe::{API_KEY, FakeStripe};

const STREAMS: [&str; 2] = ["customers", "invoices"];

/// `sync-engine sync` from a fake Stripe into a spreadsheet.
fn sync(
    stripe: &FakeStripe,
    (sheets, id): (&FakeSheets, &str),
    folder: &std::path::Path,
) -> Program {
    let key = folder.join("key.json");
    std::fs::write(&key, sheets.service_account().to_string()).unwrap();
    Program::named("sync-engine")
        .folder(folder)
        .env("XDG_STATE_HOME", folder)
        .env("GOOGLE_APPLICATION_CREDENTIALS", &key)
        .args(["sync", "--stripe-api-key", API_KEY, "--stripe-base-url", &stripe.url()])
        .args(["--stripe-rate-limit", "10000", "--source.endpoint_rate_limit", "10000"])
        .args(["--sheets-id", id, "--streams", &STREAMS.join(",")])
        .args(["--destination.base_url", &sheets.url()])
        .args(["--destination.token_url", &sheets.token_url()])
        .args(["--destination.flush_ms", "200"])
}

fn ids((sheets, id): (&FakeSheets, &str), tab: &str) -> BTreeSet<String> {
    let cells = sheets.edit(id, |book| book.cells(tab));
    let rows = cells.iter().skip(1);
    let ids: Vec<String> = rows.map(|row| row[0].as_str().unwrap().to_owned()).collect();
    let unique: BTreeSet<String> = ids.iter().cloned().collect();
    assert_eq!(unique.len(), ids.len(), "no key is there twice");
    unique
}

async fn assert_whole(stripe: &FakeStripe, place: (&FakeSheets, &str)) {
    for stream in STREAMS {
        let expected: BTreeSet<String> = stripe.oracle(stream).await.into_keys().collect();
        assert_eq!(ids(place, stream), expected, "{stream}");
    }
}

#[tokio::test]
async fn a_spreadsheet_is_filled_and_a_second_run_writes_no_row() {
    let stripe = FakeStripe::start(["--objects", "customers=450,invoices=320"]).await;
    let sheets = FakeSheets::start().await;
    let id = sheets.spreadsheet("Mine");
    let folder = tempfile::tempdir().unwrap();
    let place = (&sheets, id.as_str());
    let run = sync(&stripe, place, folder.path()).run("").await.expect_code(0);
    assert!(run.stderr.contains("customers") && run.stderr.contains(&id), "{}", run.stderr);
    assert_whole(&stripe, place).await;
    let rows = |tab: &str| sheets.edit(&id, |book| book.cells(tab));
    let before: Vec<Vec<Vec<Value>>> = STREAMS.map(rows).into();
    sync(&stripe, place, folder.path()).run("").await.expect_code(0);
    assert_eq!(before, STREAMS.map(rows));
    let overview = rows("Overview");
    let line = overview.iter().find(|row| row.first().is_some_and(|cell| cell == "customers"));
    assert_eq!(line.unwrap()[2], 450);
}

#[tokio::test]
async fn a_tab_that_was_deleted_is_filled_again() {
    let stripe = FakeStripe::start(["--objects", "customers=120,invoices=20"]).await;
    let sheets = FakeSheets::start().await;
    let id = sheets.spreadsheet("Mine");
    let folder = tempfile::tempdir().unwrap();
    let place = (&sheets, id.as_str());
    sync(&stripe, place, folder.path()).run("").await.expect_code(0);
    sheets.edit(&id, |book| book.delete("customers"));
    let run = sync(&stripe, place, folder.path()).run("").await.expect_code(0);
    assert!(run.stderr.contains("`customers` starts afresh"), "{}", run.stderr);
    assert_whole(&stripe, place).await;
}

#[tokio::test]
async fn a_spreadsheet_that_was_made_is_found_again() {
    let stripe = FakeStripe::start(["--objects", "customers=120,invoices=20"]).await;
    let sheets = FakeSheets::start().await;
    let folder = tempfile::tempdir().unwrap();
    let destination = json!({"type": "google_sheets", "google_sheets": {
        "access_token": sheets.access_token(), "base_url": sheets.url(), "flush_ms": 200,
    }});
    let sync = || {
        Program::named("sync-engine")
            .folder(folder.path())
            .env("XDG_STATE_HOME", folder.path())
            .args(["sync", "--stripe-api-key", API_KEY, "--stripe-base-url", &stripe.url()])
            .args(["--stripe-rate-limit", "10000", "--source.endpoint_rate_limit", "10000"])
            .args(["--destination", &destination.to_string(), "--streams", &STREAMS.join(",")])
    };
    for _ in 0..2 {
        let run = sync().run("").await.expect_code(0);
        let made = sheets.spreadsheets();
        assert_eq!(made.len(), 1, "{}", run.stderr);
        assert_whole(&stripe, (&sheets, &made[0])).await;
    }
}

/// A source of one stream: a record whose name no cell holds, one of another account, one more.
const ODD: &str = r#"record() { echo '{"type":"record","record":{"stream":"customers","data":{"id":"'$1'","name":"'$2'","_account_id":"'$3'","u":1},"emitted_at":"2026-01-01T00:00:00.000Z"}}'; }
status() { echo '{"type":"stream_status","stream_status":{"stream":"customers","status":"'$1'"}}'; }
case "$1" in
spec) echo '{"type":"spec","spec":{"config":{"type":"object"}}}';;
discover) echo '{"type":"catalog","catalog":{"streams":[{"name":"customers","primary_key":[["id"],["_account_id"]],"newer_than_field":"u","json_schema":{"properties":{"id":{"type":"string"},"name":{"type":"string"},"_account_id":{"type":"string","enum":["acct_1"]},"u":{"type":"integer"}}}}]}}';;
read) status start; record a $(head -c 50001 /dev/zero | tr '\0' y) acct_1; record b x acct_9; record c x acct_1
echo '{"type":"source_state","source_state":{"stream":"customers","data":{}}}'; status complete;;
esac"#;

#[tokio::test]
async fn what_a_spreadsheet_does_not_hold_is_told_counted_and_kept() {
    let sheets = FakeSheets::start().await;
    let id = sheets.spreadsheet("Mine");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("odd.sh"), ODD).unwrap();
    let place = json!({"type": "sheets", "sheets": {
        "spreadsheet_id": id, "access_token": sheets.access_token(), "base_url": sheets.url(),
    }});
    let command = |words: &str| {
        Program::named("sync-engine")
            .folder(folder.path())
            .env("XDG_STATE_HOME", folder.path())
            .args(words.split(' '))
            .args(["--connector", "source.odd=sh odd.sh"])
            .args(["--source", r#"{"type":"odd","odd":{}}"#])
            .args(["--destination", &place.to_string()])
    };
    let run = command("sync").run("").await.expect_code(8);
    let cut = "texts were longer than a cell and cut";
    assert!(run.stderr.contains(cut), "{}", run.stderr);
    assert!(run.stderr.contains("1 record could not be stored"), "{}", run.stderr);
    let log = command("runs --json").run("").await.expect_code(0);
    let receipts = log.messages()[0]["receipts"].as_array().unwrap().clone();
    let has =
        |reason: &str| receipts.iter().any(|one| one["reason"] == reason && one["count"] == 1);
    assert!(has("cut_cells") && has("refused"), "{receipts:?}");
    let letters = command("dead-letters list").run("").await.expect_code(0);
    assert!(letters.stdout.contains("acct_9"), "{}", letters.stdout);
    let retry = command("dead-letters retry").run("").await.expect_code(0);
    assert!(retry.stderr.contains("acct_9"), "{}", retry.stderr);
    command("sync --tolerate dead-letters").run("").await.expect_code(0);
}

#[tokio::test]
async fn a_stop_while_google_makes_it_wait_ends_in_order_and_the_next_run_goes_on() {
    let stripe = FakeStripe::start(["--objects", "customers=1500,invoices=200"]).await;
    let sheets = FakeSheets::start().await;
    let id = sheets.spreadsheet("Mine");
    let folder = tempfile::tempdir().unwrap();
    let place = (&sheets, id.as_str());
    let sync = || {
        sync(&stripe, place, folder.path()).args([
            "--destination.batch_rows",
            "100",
            "--destination.requests_per_minute",
            "60000",
        ])
    };
    let mut running = sync().args(["--output", "ndjson"]).start();
    running.message(|message| message["type"] == "source_state").await;
    sheets.fail(Fault { times: 1000, retry_after: None, ..Fault::once("", 429) });
    let waiting = |message: &Value| {
        message["log"]["message"].as_str().is_some_and(|text| text.starts_with("waiting "))
    };
    assert_eq!(running.message(waiting).await["_emitted_by"], "destination/sheets");
    running.signal(Signal::TERM);
    let stopped = running.finish().await.expect_code(143);
    assert_eq!(stopped.of_type("eof")[0]["eof"]["reason"], "signal", "{}", stopped.stderr);
    sheets.forgive();
    sync().run("").await.expect_code(0);
    assert_whole(&stripe, place).await;
}

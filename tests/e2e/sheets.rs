//! From a Stripe account into a spreadsheet, by the command line.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::program::Program;
use testkit::sheets::FakeSheets;
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

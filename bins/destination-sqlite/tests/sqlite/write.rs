use serde_json::json;
use testkit::lines;
use testkit::program::Signal;

use crate::copy::{Copy, page, record, stream};

#[tokio::test]
async fn a_state_comes_back_only_after_its_rows_are_there() {
    let copy = Copy::of(&[stream("customers")]).await;
    let pages: String = (0..30).map(|n| page("customers", n * 70, n * 70 + 70)).collect();
    let mut running = copy.program("write", &[stream("customers")]).start();
    running.send(&pages).await;
    running.close_stdin();
    let mut states = 0;
    while let Some(line) = running.line().await {
        let message: serde_json::Value = serde_json::from_str(&line).unwrap();
        if message["type"] == "source_state" {
            let to = message["source_state"]["data"]["to"].as_u64().unwrap();
            assert!(copy.count("customers") >= to, "state {to} ran ahead of its rows");
            states += 1;
        }
    }
    assert_eq!(states, 30);
    running.finish().await.expect_code(0);
}

#[tokio::test]
async fn a_second_run_changes_no_row() {
    let streams = [stream("customers")];
    let copy = Copy::of(&streams).await;
    copy.write(&streams, &page("customers", 0, 500)).await.expect_code(0);
    let content = || {
        copy.column("SELECT rowid || id || _updated_at || _hash || _raw_data AS x FROM customers")
    };
    let before = content();
    let run = copy.write(&streams, &page("customers", 0, 500)).await.expect_code(0);
    let state = run.of_type("source_state").pop().unwrap();
    assert_eq!(state["_written"]["customers"]["unchanged"], 500);
    assert_eq!(content(), before);
}

#[tokio::test]
async fn what_was_killed_in_the_middle_goes_on_and_loses_nothing() {
    let streams = [stream("customers")];
    let copy = Copy::of(&streams).await;
    let mut from = 0;
    for round in 1..=4_usize {
        let mut running = copy.program("write", &streams).start();
        running.send(&page("customers", from, from + 50)).await;
        let state = running.message(|message| message["type"] == "source_state").await;
        let to = usize::try_from(state["source_state"]["data"]["to"].as_u64().unwrap()).unwrap();
        assert_eq!(to, from + 50);
        running.send(&page("customers", to, to + 3000)).await;
        if round % 2 == 0 {
            running.message(|message| message["type"] == "source_state").await;
        }
        running.signal(Signal::KILL);
        assert_eq!(running.finish().await.signal(), Some(9));
        assert!(copy.count("customers") >= u64::try_from(to).unwrap());
        from = to;
    }
    copy.write(&streams, &page("customers", from, 4000)).await.expect_code(0);
    assert_eq!(copy.count("customers"), 4000);
    assert_eq!(copy.column("SELECT integrity_check AS x FROM pragma_integrity_check"), ["ok"]);
}

#[tokio::test]
async fn a_stop_commits_what_came() {
    let streams = [stream("customers")];
    let copy = Copy::of(&streams).await;
    let mut running = copy.program("write", &streams).start();
    running.send(&page("customers", 0, 5)).await;
    running.message(|message| message["type"] == "source_state").await;
    running.signal(Signal::TERM);
    let run = running.finish().await.expect_code(0);
    assert_eq!(run.stderr, "");
    assert_eq!(copy.count("customers"), 5);
}

#[tokio::test]
async fn two_writers_at_once_lose_nothing() {
    let streams = [stream("customers")];
    let copy = Copy::of(&streams).await;
    let pages = |start: usize| -> String {
        (0..40).map(|n| page("customers", start + n * 50, start + n * 50 + 50)).collect()
    };
    let (first, second) = (pages(0), pages(1000));
    let (a, b) = tokio::join!(copy.write(&streams, &first), copy.write(&streams, &second));
    let sum = |run: testkit::program::Finished, count: &str| -> u64 {
        let messages = run.expect_code(0).messages();
        messages.iter().filter_map(|message| message["_written"]["customers"][count].as_u64()).sum()
    };
    assert_eq!(copy.count("customers"), 3000);
    let (a, b) = (
        [sum(a.clone(), "created"), sum(a, "unchanged")],
        [sum(b.clone(), "created"), sum(b, "unchanged")],
    );
    assert_eq!((a[0] + b[0], a[1] + b[1]), (3000, 1000));
}

#[tokio::test]
async fn another_accounts_record_is_refused_and_the_stream_goes_on() {
    let streams = [stream("customers")];
    let copy = Copy::of(&streams).await;
    let foreign = json!({"id": "cus_x", "_account_id": "acct_2", "_updated_at": 7});
    let input = lines::record("customers", &foreign) + &page("customers", 0, 2);
    let run = copy.write(&streams, &input).await.expect_code(0);
    let state = run.of_type("source_state").pop().unwrap();
    assert_eq!(state["_written"]["customers"]["refused"], 1);
    assert_eq!(copy.count("customers"), 2);
}

#[tokio::test]
async fn garbage_keeps_what_came_before_it() {
    let streams = [stream("customers")];
    let copy = Copy::of(&streams).await;
    let input = page("customers", 0, 2) + &record("customers", "cus_9", "x") + "<html>\n";
    let run = copy.write(&streams, &input).await.expect_code(1);
    assert!(run.stderr.contains("line 5"), "{}", run.stderr);
    assert_eq!(copy.count("customers"), 3);
}

#[tokio::test]
async fn streams_interleaved_are_written_side_by_side() {
    let names = ["customers", "charges", "invoices"];
    let streams = names.map(stream);
    let copy = Copy::of(&streams).await;
    let input: String = (0..600)
        .map(|number| record(names[number % 3], &format!("id_{number}"), "x"))
        .chain(names.iter().map(|name| lines::state(name, &json!({}))))
        .collect();
    let run = copy.write(&streams, &input).await.expect_code(0);
    assert_eq!(run.of_type("source_state").len(), 3);
    for name in names {
        assert_eq!(copy.count(name), 200);
    }
}

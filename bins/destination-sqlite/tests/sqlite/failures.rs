use testkit::program::Program;

use crate::copy::{Copy, failure, page, record, stream};

#[tokio::test]
async fn writing_before_setup_says_what_to_run() {
    let copy = Copy::new();
    let run = copy.write(&[stream("customers")], "").await.expect_code(2);
    let (message, class) = failure(&run);
    assert!(
        message.ends_with("no such file; run `destination-sqlite setup` with the same catalog"),
        "{message}"
    );
    assert_eq!(class, "config");
    assert!(!copy.path.exists());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_alone() {
    let copy = Copy::new();
    let text = "no database, but long enough to be taken for one ".repeat(20);
    std::fs::write(&copy.path, &text).unwrap();
    for verb in ["setup", "write", "teardown"] {
        let run = copy.program(verb, &[stream("customers")]).run("").await.expect_code(2);
        let (message, class) = failure(&run);
        assert!(
            message.contains("file is not a database; that file is something else"),
            "{message}"
        );
        assert_eq!(class, "config");
    }
    assert_eq!(std::fs::read_to_string(&copy.path).unwrap(), text);
}

#[tokio::test]
async fn a_folder_in_the_files_place_is_an_error_of_the_configuration() {
    let copy = Copy::new();
    std::fs::create_dir(&copy.path).unwrap();
    let (message, class) = failure(&copy.setup(&[stream("customers")]).await.expect_code(2));
    assert!(message.contains("`path` must be a file"), "{message}");
    assert_eq!(class, "config");
}

#[tokio::test]
async fn a_missing_path_says_where_to_give_it() {
    let program = Program::at(env!("CARGO_BIN_EXE_destination-sqlite"));
    let run = program.args(["check", "--config", "{}"]).run("").await.expect_code(2);
    assert!(
        run.stderr.contains("`path` is missing; give it in --config, for example \"./stripe.db\""),
        "{}",
        run.stderr
    );
}

#[tokio::test]
async fn a_stream_without_a_table_fails_alone() {
    let copy = Copy::of(&[stream("customers")]).await;
    let both = [stream("customers"), stream("charges")];
    let input = record("charges", "ch_1", "x") + &page("customers", 0, 3) + &page("charges", 1, 3);
    let run = copy.write(&both, &input).await.expect_code(0);
    let states = run.of_type("source_state");
    assert_eq!(states.len(), 1, "{}", run.stdout);
    assert_eq!(states[0]["source_state"]["stream"], "customers");
    let status = &run.of_type("stream_status")[0];
    assert_eq!(status["stream_status"]["stream"], "charges");
    assert!(
        status["stream_status"]["error"]
            .as_str()
            .unwrap()
            .contains("run `destination-sqlite setup`")
    );
    assert_eq!(copy.count("customers"), 3);
}

/// No file may grow beyond the limit: what a full disk looks like, but for the error's number.
#[tokio::test]
async fn a_disk_that_takes_no_more_acknowledges_nothing_that_it_did_not_take() {
    let copy = Copy::of(&[stream("customers")]).await;
    let limited = r#"trap "" XFSZ; ulimit -f 400; exec "$0" "$@""#;
    let pages: String = (0..100).map(|n| page("customers", n * 100, n * 100 + 100)).collect();
    let run = Program::at("/bin/sh")
        .args(["-c", limited, env!("CARGO_BIN_EXE_destination-sqlite")])
        .args(copy.arguments("write", &[stream("customers")]))
        .run(pages.replace("\"x\"", &format!("\"{}\"", "x".repeat(200))))
        .await
        .expect_code(1);
    let (message, class) = failure(&run);
    assert!(message.contains("run again"), "{message}");
    assert_eq!(class, "unreachable");
    let states = run.of_type("source_state");
    let told =
        states.last().map_or(0, |state| state["source_state"]["data"]["to"].as_u64().unwrap());
    assert!(copy.count("customers") >= told && told < 10_000, "{told} were acknowledged");
    copy.write(&[stream("customers")], &pages).await.expect_code(0);
    assert_eq!(copy.count("customers"), 10_000);
}

#[tokio::test]
async fn a_reader_that_has_enough_is_no_fault() {
    let copy = Copy::of(&[stream("customers")]).await;
    let mut running = copy.program("write", &[stream("customers")]).start();
    running.send(&page("customers", 0, 5)).await;
    running.message(|message| message["type"] == "source_state").await;
    running.close_stdout();
    running.send(&page("customers", 5, 10)).await;
    let run = running.finish().await.expect_code(0);
    assert_eq!(run.stderr, "");
    assert_eq!(copy.count("customers"), 10);
}

#[tokio::test]
async fn a_file_removed_in_the_middle_is_told_and_filled_again_by_the_next_run() {
    let copy = Copy::of(&[stream("customers")]).await;
    let mut running = copy.program("write", &[stream("customers")]).start();
    running.send(&page("customers", 0, 5)).await;
    running.message(|message| message["type"] == "source_state").await;
    std::fs::remove_file(&copy.path).unwrap();
    running.send(&page("customers", 5, 10)).await;
    let run = running.finish().await.expect_code(2);
    assert_eq!(
        run.of_type("source_state").len(),
        1,
        "the second state speaks for rows that are gone"
    );
    assert!(failure(&run).0.contains("removed or replaced"), "{}", run.stdout);
    copy.setup(&[stream("customers")]).await.expect_code(0);
    copy.write(&[stream("customers")], &page("customers", 0, 10)).await.expect_code(0);
    assert_eq!(copy.count("customers"), 10);
}

//! Test support, tested where it must not fail quietly.
#![cfg(test)]

use std::{path::PathBuf, time::Duration};

use testkit::{
    lines,
    postgres::Cluster,
    program::{Program, Signal},
    programs,
    wait::until,
};

#[tokio::test]
async fn a_cluster_makes_databases_and_forgets_nothing_in_a_crash() {
    let mut cluster = Cluster::start();
    let name = {
        let database = cluster.create_database().await;
        database.execute("CREATE TABLE t AS SELECT 41 + 1 AS n").await;
        assert_eq!(database.value("SELECT n FROM t").await, "42");
        database.name().to_owned()
    };
    cluster.crash();
    let settings = pg::Settings::from_url(&cluster.url(&name)).unwrap();
    assert_eq!(pg::connect(&settings).await.unwrap_err().failure(), pg::Failure::Unreachable);
    cluster.restart();
    let client = pg::connect(&settings).await.unwrap();
    client.batch_execute("INSERT INTO t VALUES (43)").await.unwrap();
}

/// Run by the next test in a process of its own, which is then killed.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the other half of a test that kills this process")]
async fn a_cluster_waits_to_be_killed() {
    if std::env::var_os("TESTKIT_WAIT_TO_BE_KILLED").is_none() {
        return;
    }
    let cluster = Cluster::shared();
    println!("\nfolder {}", cluster.data_folder().display());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn nothing_is_left_behind_when_the_test_process_is_killed() {
    let own = std::env::current_exe().unwrap();
    let mut child = Program::at(own)
        .args(["--exact", "a_cluster_waits_to_be_killed", "--nocapture"])
        .env("TESTKIT_WAIT_TO_BE_KILLED", "1")
        .start();
    let folder = loop {
        let line = child.line().await.expect("a folder");
        if let Some(folder) = line.strip_prefix("folder ") {
            break PathBuf::from(folder);
        }
    };
    let pid = std::fs::read_to_string(folder.join("postmaster.pid")).unwrap();
    let pid = pid.lines().next().unwrap().to_owned();
    child.signal(Signal::KILL);
    assert_eq!(child.finish().await.signal(), Some(9));
    let server = PathBuf::from(format!("/proc/{pid}/stat"));
    let gone = until("they are gone", async || !folder.exists() && !server.exists());
    tokio::time::timeout(Duration::from_secs(30), gone)
        .await
        .expect("the server and its folder to go");
}

#[tokio::test]
async fn a_program_is_fed_read_and_judged() {
    let done = Program::at("/bin/sh")
        .args(["-c", "cat; echo words >&2; exit 3"])
        .run(lines::status("customers", "start"))
        .await
        .expect_code(3);
    assert_eq!(done.stderr, "words\n");
    assert_eq!(done.of_type("stream_status").len(), 1);
}

#[test]
#[should_panic(expected = "cargo build --workspace --bins")]
fn a_missing_program_says_how_to_build_it() {
    programs::path("source-that-is-not-there");
}

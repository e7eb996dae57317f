//! Faults of the server, made for real.

use serde_json::json;
use testkit::{lines, postgres::Cluster};

use crate::copy::{Copy, failure, object, records, written};

#[tokio::test]
async fn a_deadlock_with_another_writer_costs_a_retry() {
    let mut copy = Copy::new().await;
    copy.config["connections"] = json!(1);
    let both = |stamp: i64, name: &str| {
        lines::record("customers", &object("a", stamp, name))
            + &lines::record("customers", &object("b", stamp, name))
    };
    copy.write(both(1, "Ann")).await.expect_code(0);
    let mut client = copy.database.client().await;
    let other = client.transaction().await.unwrap();
    // The program, which waits first, is the one that finds the deadlock and gives way.
    let late = "SET LOCAL deadlock_timeout = '60s'; \
                SELECT FROM stripe.customers WHERE id = 'b' FOR UPDATE";
    other.batch_execute(late).await.unwrap();
    let mut running = copy.start();
    running.send(&(both(2, "Eve") + &lines::state("customers", &json!(1)))).await;
    copy.until_something_waits().await;
    other.batch_execute("SELECT FROM stripe.customers WHERE id = 'a' FOR UPDATE").await.unwrap();
    other.commit().await.unwrap();
    running.message(|message| message["type"] == "source_state").await;
    let done = running.finish().await.expect_code(0);
    assert!(done.stderr.contains("deadlock detected"), "{}", done.stderr);
    assert_eq!(written(&done)["customers"], json!({"updated": 2}));
}

#[tokio::test]
async fn setup_gives_way_to_a_reader_that_stays_and_tries_again() {
    let mut copy = Copy::new().await;
    copy.catalog["streams"][0]["stream"]["json_schema"]["properties"]["extra"] = json!({});
    let mut reader = copy.database.client().await;
    let held = reader.transaction().await.unwrap();
    held.batch_execute("SELECT count(*) FROM stripe.customers").await.unwrap();
    let release = async {
        copy.until_something_waits().await;
        let waiting = "SELECT count(*) FROM pg_stat_activity \
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while copy.database.value(waiting).await != "0" {}
        // Nobody waits: who comes now is not behind a change of the table.
        copy.database.value("SELECT count(*) FROM stripe.customers").await;
        held.commit().await.unwrap();
    };
    let (finished, ()) = tokio::join!(copy.setup(), release);
    let finished = finished.expect_code(0);
    assert!(finished.stderr.contains("trying again"), "{}", finished.stderr);
}

#[tokio::test]
async fn a_server_that_became_read_only_acknowledges_nothing() {
    let copy = Copy::new().await;
    let name = copy.database.name();
    copy.database
        .execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"))
        .await;
    let input = records("customers", 3, 1) + &lines::state("customers", &json!(1));
    let done = copy.write(input).await.expect_code(1);
    let (text, class) = failure(&done, "connection_status");
    assert_eq!(class, "unreachable");
    assert!(text.contains("read-only transaction"), "{text}");
    assert!(done.of_type("source_state").is_empty());
}

#[tokio::test]
async fn a_connection_limit_is_told_and_passes() {
    let mut copy = Copy::new().await;
    let role = format!("lonely_{}", copy.database.name());
    let grants = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'pw' CONNECTION LIMIT 1; \
         GRANT USAGE ON SCHEMA stripe TO {role}; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA stripe TO {role}"
    );
    copy.database.execute(&grants).await;
    copy.config["url"] = json!(copy.database.url_as(&role, "pw"));
    copy.config["connections"] = json!(1);
    let settings = pg::Settings::from_url(copy.config["url"].as_str().unwrap()).unwrap();
    let holder = pg::connect(&settings).await.unwrap();
    let checked = copy.run("check", "").await.expect_code(0);
    let (text, class) = failure(&checked, "connection_status");
    assert_eq!(class, "unreachable");
    assert!(text.contains("too many connections"), "{text}");
    let mut running = copy.start();
    running.send(&(records("customers", 3, 1) + &lines::state("customers", &json!(1)))).await;
    holder.close().await;
    running.message(|message| message["type"] == "source_state").await;
    running.finish().await.expect_code(0);
    assert_eq!(copy.database.value("SELECT count(*) FROM stripe.customers").await, "3");
}

/// Puts the device that is always full in the place of an empty table's file.
async fn fill_disk_under(cluster: &Cluster, copy: &Copy<'_>, table: &str) {
    let file = copy.database.value(&format!("SELECT pg_relation_filepath('{table}')")).await;
    let file = cluster.data_folder().join(file);
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/dev/full", &file).unwrap();
}

#[tokio::test]
async fn a_full_disk_ends_the_run_and_acknowledges_nothing_that_is_not_there() {
    let cluster = Cluster::start();
    let copy = Copy::within(&cluster).await;
    copy.setup().await.expect_code(0);
    let mut running = copy.start();
    running.send(&(records("customers", 300, 1) + &lines::state("customers", &json!(1)))).await;
    running.message(|message| message["type"] == "source_state").await;
    fill_disk_under(&cluster, &copy, "stripe.charges").await;
    running.send(&(records("charges", 300, 1) + &lines::state("charges", &json!(1)))).await;
    let done = running.finish().await.expect_code(1);
    let (text, class) = failure(&done, "connection_status");
    assert_eq!(class, "unreachable");
    assert!(text.contains("No space left") && text.contains("free disk space"), "{text}");
    assert_eq!(done.of_type("source_state").len(), 1, "{}", done.stdout);
    assert_eq!(copy.database.value("SELECT count(*) FROM stripe.customers").await, "300");
}

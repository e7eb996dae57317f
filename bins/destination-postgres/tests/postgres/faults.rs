//! Faults of the server, made for real.

use std::path::PathBuf;

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

/// The file of an empty table, with the device that is always full in its place.
struct FullDisk {
    file: PathBuf,
    aside: PathBuf,
}

impl FullDisk {
    /// Under the relation that a query names.
    async fn under(cluster: &Cluster, copy: &Copy<'_>, relation: &str) -> Self {
        let path = format!("SELECT pg_relation_filepath(({relation})::regclass)");
        let file = cluster.data_folder().join(copy.database.value(&path).await);
        assert_eq!(file.metadata().unwrap().len(), 0);
        let aside = file.with_extension("aside");
        std::fs::rename(&file, &aside).unwrap();
        std::os::unix::fs::symlink("/dev/full", &file).unwrap();
        Self { file, aside }
    }

    fn make_room(self) {
        std::fs::remove_file(&self.file).unwrap();
        std::fs::rename(&self.aside, &self.file).unwrap();
    }
}

#[tokio::test]
async fn a_full_disk_ends_the_run_and_acknowledges_nothing_that_is_not_there() {
    let cluster = Cluster::start();
    let copy = Copy::within(&cluster).await;
    copy.setup().await.expect_code(0);
    let mut running = copy.start();
    running.send(&(records("customers", 300, 1) + &lines::state("customers", &json!(1)))).await;
    running.message(|message| message["type"] == "source_state").await;
    FullDisk::under(&cluster, &copy, "SELECT 'stripe.charges'").await;
    running.send(&(records("charges", 300, 1) + &lines::state("charges", &json!(1)))).await;
    let done = running.finish().await.expect_code(1);
    let (text, class) = failure(&done, "connection_status");
    assert_eq!(class, "unreachable");
    assert!(text.contains("No space left") && text.contains("free disk space"), "{text}");
    assert_eq!(done.of_type("source_state").len(), 1, "{}", done.stdout);
    assert_eq!(copy.database.value("SELECT count(*) FROM stripe.customers").await, "300");
}

/// What no compression makes small enough to be kept in its row.
fn noise(length: u64) -> String {
    let mut state = 7_u64;
    let letters = (0..length).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from_digit(u32::try_from(state >> 40).unwrap() % 36, 36).unwrap()
    });
    letters.collect()
}

#[tokio::test]
async fn a_disk_that_fills_while_rows_are_written_costs_nothing_once_there_is_room() {
    let cluster = Cluster::start();
    let copy = Copy::within(&cluster).await;
    copy.setup().await.expect_code(0);
    let kept_apart = "SELECT reltoastrelid FROM pg_class WHERE oid = 'stripe.charges'::regclass";
    let disk = FullDisk::under(&cluster, &copy, kept_apart).await;
    let small = records("charges", 300, 1) + &lines::state("charges", &json!("small"));
    let rest = [
        records("charges", 200, 2),
        lines::record("charges", &object("large", 1, &noise(50_000))),
        lines::state("charges", &json!("large")),
        lines::global_state(&json!("large")),
    ];
    let rest = rest.concat();
    let mut running = copy.start();
    running.send(&small).await;
    running.message(|message| message["type"] == "source_state").await;
    running.send(&rest).await;
    let done = running.finish().await.expect_code(1);
    let (text, class) = failure(&done, "connection_status");
    assert_eq!(class, "unreachable");
    assert!(text.contains("No space left") && text.contains("free disk space"), "{text}");
    assert_eq!(done.of_type("source_state").len(), 1, "{}", done.stdout);
    let there = "SELECT count(*) || ' ' || max(length(name)) FROM stripe.charges";
    assert_eq!(copy.database.value(there).await, "300 3");
    disk.make_room();
    let done = copy.write(small + &rest).await.expect_code(0);
    let states = done.of_type("source_state");
    assert_eq!(states.last().unwrap()["source_state"]["data"], "large");
    assert_eq!(written(&done)["charges"]["created"], 1);
    assert_eq!(copy.database.value(there).await, "301 50000");
}

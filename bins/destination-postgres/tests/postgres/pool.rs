//! Behind PgBouncer in transaction mode, where every transaction may be on another connection.

use serde_json::json;
use testkit::{
    lines,
    postgres::{Bouncer, Cluster},
};

use crate::copy::{Copy, object, program, records, written};

async fn copy(bouncer: &Bouncer) -> Copy<'static> {
    let mut copy = Copy::bare().await;
    copy.config["url"] = json!(bouncer.url(&copy.database.url()));
    copy
}

#[tokio::test]
async fn everything_works_while_connections_change_hands() {
    let bouncer = Bouncer::start(Cluster::shared()).await;
    let mut copy = copy(&bouncer).await;
    copy.config["batch_rows"] = json!(100);
    copy.config["deletes"] = json!("hard");
    copy.setup().await.expect_code(0);
    copy.setup().await.expect_code(0);
    let (config, catalog) = (copy.config.to_string(), copy.catalog.to_string());
    let write = |stream: &str, stamp: i64| {
        let input = records(stream, 1500, stamp) + &lines::state(stream, &json!(stamp));
        let program = program().args(["write", "--config", &config, "--catalog", &catalog]);
        async move { program.env("RUST_LOG", "info").run(input).await.expect_code(0) }
    };
    let all = futures_util::future::join_all(
        [("customers", 1), ("charges", 1), ("customers", 2), ("charges", 2)]
            .map(|(stream, stamp)| write(stream, stamp)),
    );
    let mut known = 0;
    for done in all.await {
        assert_eq!(done.of_type("source_state").len(), 1, "{}", done.stdout);
        known += usize::from(done.stderr.contains("without a name"));
        let counts: u64 = written(&done)
            .values()
            .next()
            .unwrap()
            .as_object()
            .unwrap()
            .values()
            .filter_map(serde_json::Value::as_u64)
            .sum();
        assert_eq!(counts, 1500);
    }
    assert_eq!(known, 4, "each program found out");
    let mut gone = object("x_00000", 9, "Ann");
    gone["deleted"] = json!(true);
    let input =
        lines::record("customers", &gone) + &lines::record("customers", &json!({"id": "x"}));
    assert_eq!(copy.written(input).await["customers"], json!({"deleted": 1, "refused": 1}));
    let listed = program().args(["dead-letters", "list", "--config", &config]).run("").await;
    assert_eq!(listed.expect_code(0).of_type("log").len(), 2);
    copy.run("check", "").await.expect_code(0);
    let rows = "SELECT count(*) FROM stripe.customers";
    assert_eq!(copy.database.value(rows).await, "1499");
    copy.run("teardown", "").await.expect_code(0);
}

#[tokio::test]
async fn a_server_without_a_pool_is_told_apart() {
    let mut copy = Copy::new().await;
    for connections in [1, 2] {
        copy.config["connections"] = json!(connections);
        let (config, catalog) = (copy.config.to_string(), copy.catalog.to_string());
        let arguments = ["write", "--config", &config, "--catalog", &catalog];
        let run = program().args(arguments).env("RUST_LOG", "info");
        let done = run.run(records("customers", 3, 1)).await.expect_code(0);
        assert!(!done.stderr.contains("without a name"), "{}", done.stderr);
    }
}

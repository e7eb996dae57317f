//! Behind PgBouncer in transaction mode, where every transaction may be on another connection.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt as _, path::Path};

use serde_json::json;
use tempfile::TempDir;
use testkit::{
    lines,
    postgres::Cluster,
    program::{Program, Running},
};
use tokio::net::TcpStream;

use crate::copy::{Copy, object, program, records, written};

/// A pool of few connections before the shared cluster.
struct Bouncer {
    port: u16,
    _running: Running,
    _folder: TempDir,
}

impl Bouncer {
    async fn start() -> Self {
        let places = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/opt/homebrew/bin/pgbouncer"];
        let program = places.into_iter().find(|path| Path::new(path).is_file()).expect(
            "PgBouncer is missing; install the package `pgbouncer` (apt-get install pgbouncer), \
             or let `cargo xtask test` do it",
        );
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let users = folder.path().join("users.txt");
        let settings = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\n\
             auth_file = {}\npool_mode = transaction\ndefault_pool_size = 3\n",
            Cluster::shared().port(),
            users.display()
        );
        for (path, text) in [(&users, "\"postgres\" \"superuser\"\n"), (&settings, text.as_str())] {
            fs::write(path, text).unwrap();
        }
        // It gives up being root before it reads all of them.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let command = Program::at(program).arg(&settings);
        let is_root = fs::metadata("/proc/self")
            .is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        let command = if is_root { command.args(["-u", "postgres"]) } else { command };
        let running = command.start();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::task::yield_now().await;
        }
        Self { port, _running: running, _folder: folder }
    }

    async fn copy(&self) -> Copy<'static> {
        let mut copy = Copy::bare().await;
        let direct = copy.database.url();
        let (before, after) = direct.rsplit_once(':').unwrap();
        let (_, database) = after.split_once('/').unwrap();
        copy.config["url"] = json!(format!("{before}:{}/{database}", self.port));
        copy
    }
}

#[tokio::test]
async fn everything_works_while_connections_change_hands() {
    let bouncer = Bouncer::start().await;
    let mut copy = bouncer.copy().await;
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

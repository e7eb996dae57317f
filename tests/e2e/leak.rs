//! Secrets stay where they are: in no output, command line, table or file that a run leaves behind,
//! with everything said that can be said.

use std::path::Path;

use testkit::postgres::Cluster;
use testkit::program::{Finished, Program};
use testkit::stripe::{API_KEY, FakeStripe};

/// The password of a role of the test's own.
const PASSWORD: &str = "canarypassword0123456789";

const OBJECTS: [&str; 4] = ["--objects", "customers=600,products=40", "--latency-ms", "20"];

/// A sync that says everything, with its secrets in the environment.
fn sync(stripe: &FakeStripe, folder: &Path) -> Program {
    Program::named("sync-engine")
        .folder(folder)
        .env("XDG_STATE_HOME", folder)
        .env("STRIPE_API_KEY", API_KEY)
        .env("RUST_LOG", "trace")
        .args(["sync", "-vv", "--output", "ndjson", "--streams", "customers,products"])
        .args(["--stripe-base-url", &stripe.url()])
}

/// Runs it to its end and looks at the command lines of its connectors meanwhile.
async fn watched(program: Program) -> (Finished, String) {
    let mut running = program.start();
    running.message(|message| message["type"] == "source_state").await;
    let seen = command_lines(running.id());
    assert!(seen.contains("source-stripe"), "it was looked while they ran: {seen}");
    (running.finish().await.expect_code(0), seen)
}

fn command_lines(engine: u32) -> String {
    let mut seen = String::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let read = |file: &str| std::fs::read(entry.path().join(file)).unwrap_or_default();
        let stat = String::from_utf8_lossy(&read("stat")).into_owned();
        let after = stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        let parent = after.split(' ').nth(1).map(str::to_owned);
        let is_ours = parent == Some(engine.to_string())
            || entry.file_name().to_str() == Some(engine.to_string().as_str());
        if is_ours {
            seen.push_str(&String::from_utf8_lossy(&read("cmdline")).replace('\0', " "));
            seen.push('\n');
        }
    }
    seen
}

fn assert_no_canary(what: &str, text: &str) {
    for canary in [API_KEY, PASSWORD] {
        assert!(!text.contains(canary), "{what} holds {canary}");
    }
}

/// Every file under a folder, whatever it is.
fn assert_no_canary_under(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_no_canary_under(&path);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let what = path.display().to_string();
            assert_no_canary(&what, &String::from_utf8_lossy(&bytes));
        }
    }
}

fn assert_kept_to_itself(run: &Finished, seen: &str) {
    assert_no_canary("stdout", &run.stdout);
    assert_no_canary("stderr", &run.stderr);
    assert_no_canary("a command line", seen);
}

#[tokio::test]
async fn nothing_shows_a_key_with_sqlite() {
    let stripe = FakeStripe::start(OBJECTS).await;
    let folder = tempfile::tempdir().unwrap();
    let (run, seen) = watched(sync(&stripe, folder.path()).args(["--sqlite", "copy.db"])).await;
    assert_kept_to_itself(&run, &seen);
    let kept = sync(&stripe, folder.path()).args(["--state", "kept.json", "--sqlite", "two.db"]);
    kept.run("").await.expect_code(0);
    assert_no_canary_under(folder.path());
}

#[tokio::test]
async fn nothing_shows_a_key_or_a_password_with_postgres() {
    let cluster = Cluster::shared();
    let database = cluster.create_database().await;
    let stripe = FakeStripe::start(OBJECTS).await;
    let folder = tempfile::tempdir().unwrap();
    let role = format!("CREATE ROLE canary LOGIN SUPERUSER PASSWORD '{PASSWORD}'");
    database.execute("DROP ROLE IF EXISTS canary").await;
    database.execute(&role).await;
    let url = database.url_as("canary", PASSWORD);
    let program = sync(&stripe, folder.path()).env("POSTGRES_URL", url);
    let (run, seen) = watched(program).await;
    assert_kept_to_itself(&run, &seen);
    assert_no_canary_under(folder.path());
    let tables = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'stripe'";
    for table in database.column(tables).await {
        let rows = database.column(&format!("SELECT t::text FROM stripe.{table} AS t")).await;
        assert_no_canary(&table, &rows.join("\n"));
    }
}

//! Secrets stay where they are: in no output, command line, table or file that a command leaves
//! behind, with everything said that can be said.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::postgres::Cluster;
use testkit::program::{Finished, Program, Running};
use testkit::sheets::FakeSheets;
use testkit::stripe::{API_KEY, FakeStripe};
use tokio::time::MissedTickBehavior;

/// The password of a role of the test's own.
const PASSWORD: &str = "canarypassword0123456789";
/// A secret that a source gives back from its setup.
const WEBHOOK: &str = "whsec_canary0123456789abcdef";

const OBJECTS: [&str; 4] = ["--objects", "customers=600,products=40", "--latency-ms", "20"];

/// A folder in which commands run that say everything, and what none of them may show.
struct Desk {
    folder: tempfile::TempDir,
    stripe: FakeStripe,
    canaries: Vec<String>,
    /// What the command line of each connector holds that has to be seen at work.
    connectors: [&'static str; 2],
    /// Command lines that were seen.
    seen: BTreeSet<String>,
    /// Files that hold a secret because the test put it there.
    given: Vec<PathBuf>,
}

impl Desk {
    async fn new(canaries: &[&str], connectors: [&'static str; 2]) -> Self {
        let mut all = vec![API_KEY.to_owned()];
        all.extend(canaries.iter().map(|canary| (*canary).to_owned()));
        Self {
            folder: tempfile::tempdir().unwrap(),
            stripe: FakeStripe::start(OBJECTS).await,
            canaries: all,
            connectors,
            seen: BTreeSet::new(),
            given: Vec::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a file with secrets there, as its owner does.
    fn give(&mut self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
        self.given.push(self.path(name));
    }

    /// A command on the local Stripe.
    fn command(&self, words: &str) -> Program {
        self.bare(words).args(["--stripe-base-url", &self.stripe.url()])
    }

    /// A command with the key in the environment; its folder for temporary files is watched too.
    fn bare(&self, words: &str) -> Program {
        let folder = self.folder.path();
        std::fs::create_dir_all(folder.join("tmp")).unwrap();
        Program::named("sync-engine")
            .folder(folder)
            .env("XDG_STATE_HOME", folder)
            .env("TMPDIR", folder.join("tmp"))
            .env("STRIPE_API_KEY", API_KEY)
            .env("RUST_LOG", "trace")
            .args(words.split(' '))
            .arg("-vv")
    }

    /// Runs it to its end, with an eye on the command lines of all that it starts.
    async fn run(&mut self, program: Program) -> Finished {
        let running = program.start();
        let engine = running.id();
        let mut eye = tokio::time::interval(Duration::from_millis(20));
        // A look takes long on a busy machine; what it looks at has to go on.
        eye.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut finished = Box::pin(Running::finish(running));
        let run = loop {
            tokio::select! {
                run = &mut finished => break run,
                _ = eye.tick() => self.look(engine),
            }
        };
        self.assert_no_canary("stdout", &run.stdout);
        self.assert_no_canary("stderr", &run.stderr);
        run
    }

    /// Looks at the command lines; the file `seen` tells when every connector's was among them.
    fn look(&mut self, engine: u32) {
        self.seen.extend(command_lines(engine));
        if self.connectors.iter().all(|connector| self.was_seen(connector)) {
            std::fs::write(self.path("seen"), "").unwrap();
        }
    }

    fn was_seen(&self, connector: &str) -> bool {
        self.seen.iter().any(|line| line.contains(connector))
    }

    fn assert_no_canary(&self, what: &str, text: &str) {
        for canary in &self.canaries {
            let line = text.lines().position(|line| line.contains(canary));
            assert_eq!(line, None, "{what} holds `{canary}` in the line of that number");
        }
    }

    /// Looks at command lines and at every file that is there now.
    fn assert_kept_to_itself(&self) {
        for connector in self.connectors {
            let seen = &self.seen;
            assert!(self.was_seen(connector), "it was looked while `{connector}` ran: {seen:?}");
        }
        for line in &self.seen {
            self.assert_no_canary("a command line", line);
        }
        let left = files(self.folder.path());
        for path in left.iter().filter(|path| !self.given.contains(path)) {
            self.assert_file(path);
        }
    }

    fn assert_file(&self, path: &Path) {
        let name = path.display().to_string();
        assert!(!path.starts_with(self.path("tmp")), "a temporary file is left: {name}");
        let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        if name.ends_with(".secrets.json") {
            // The one place where a secret that was made is kept: for its owner alone.
            let mode = path.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
            return;
        }
        self.assert_no_canary(&name, &text);
    }
}

/// Every file under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let all = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    paths.flat_map(all).collect()
}

/// The command lines of a process and of all that come from it.
fn command_lines(engine: u32) -> Vec<String> {
    let mut family = BTreeSet::from([engine.to_string()]);
    let mut lines = Vec::new();
    let mut processes: Vec<(u32, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        if let Some(Ok(id)) = entry.file_name().to_str().map(str::parse) {
            processes.push((id, entry.path()));
        }
    }
    processes.sort();
    for (id, path) in processes {
        let read = |file: &str| std::fs::read(path.join(file)).unwrap_or_default();
        let stat = String::from_utf8_lossy(&read("stat")).into_owned();
        let after = stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        let parent = after.split(' ').nth(1).map(str::to_owned).unwrap_or_default();
        if family.contains(&parent) || family.contains(&id.to_string()) {
            family.insert(id.to_string());
            lines.push(String::from_utf8_lossy(&read("cmdline")).replace('\0', " "));
        }
    }
    lines
}

const STREAMS: [&str; 2] = ["--streams", "customers,products"];

/// Every command on one destination, whose flags come last.
async fn every_command(desk: &mut Desk, place: &[&str]) {
    let with_streams = ["check", "setup", "sync --dry-run", "sync --output ndjson", "sync"];
    for words in with_streams {
        let program = desk.command(words).args(STREAMS).args(place);
        desk.run(program).await.expect_code(0);
    }
    for words in
        ["discover --json", "runs --json", "state show", "state export", "dead-letters list"]
    {
        let program = desk.command(words).args(place);
        desk.run(program).await.expect_code(0);
    }
    let teardown = desk.command("teardown --yes").args(place);
    desk.run(teardown).await.expect_code(0);
    let again = desk.command("sync --state kept.json").args(STREAMS).args(place);
    desk.run(again).await.expect_code(0);
}

#[tokio::test]
async fn nothing_shows_a_key_with_sqlite() {
    let mut desk = Desk::new(&[], ["source-stripe read", "destination-sqlite write"]).await;
    every_command(&mut desk, &["--sqlite", "copy.db"]).await;
    desk.assert_kept_to_itself();
}

#[tokio::test]
async fn nothing_shows_a_password_or_a_private_key_with_postgres() {
    let cluster = Cluster::shared();
    let database = cluster.create_database().await;
    let connectors = ["source-stripe read", "destination-postgres write"];
    let mut desk = Desk::new(&[PASSWORD, "canaryprivatekey0123456789"], connectors).await;
    let role = format!("CREATE ROLE canary LOGIN SUPERUSER PASSWORD '{PASSWORD}'");
    database.execute("DROP ROLE IF EXISTS canary").await;
    database.execute(&role).await;
    let url = database.url_as("canary", PASSWORD);
    desk.give("postgres.json", &json!({"type": "postgres", "postgres": {"url": url}}).to_string());
    every_command(&mut desk, &["--destination", "postgres.json"]).await;

    // A key that is none is told without what it says.
    desk.give("key.pem", "-----BEGIN PRIVATE KEY-----\ncanaryprivatekey0123456789\n");
    let keyed = format!("{url}?sslmode=require&sslcert=key.pem&sslkey=key.pem");
    let program = desk.command("check").env("POSTGRES_URL", keyed);
    let run = desk.run(program).await;
    assert_ne!(run.status.code(), Some(0), "{}", run.stdout);
    desk.assert_kept_to_itself();

    let tables = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'stripe'";
    for table in database.column(tables).await {
        let rows = database.column(&format!("SELECT t::text FROM stripe.{table} AS t")).await;
        desk.assert_no_canary(&table, &rows.join("\n"));
    }
}

#[tokio::test]
async fn nothing_shows_a_google_secret_with_sheets() {
    let sheets = FakeSheets::start().await;
    let account = sheets.service_account();
    let key = account["private_key"].as_str().unwrap();
    let line = key.lines().nth(3).unwrap().to_owned();
    let refresh = sheets.refresh();
    let secret = |name: &str| refresh[name].as_str().unwrap().to_owned();
    let (client, token) = (secret("client_secret"), secret("refresh_token"));
    let canaries = [&line, &client, &token, sheets.access_token(), "canary-access-token"];
    for (name, own) in [
        ("account", json!({"service_account": account})),
        ("refresh", refresh.clone()),
        ("token", json!({"access_token": sheets.access_token()})),
    ] {
        let connectors = ["source-stripe read", "destination-sheets write"];
        let mut desk = Desk::new(&canaries, connectors).await;
        let mut config = own;
        config["spreadsheet_id"] = Value::from(sheets.spreadsheet(name));
        config["base_url"] = Value::from(sheets.url());
        config["token_url"] = Value::from(sheets.token_url());
        config["flush_ms"] = json!(0);
        config["requests_per_minute"] = json!(60_000);
        let place = json!({"type": "sheets", "sheets": config});
        desk.give("place.json", &place.to_string());
        let place_flag = ["--destination", "place.json"];
        if name == "account" {
            every_command(&mut desk, &place_flag).await;
        }
        let sync = desk.command("sync").args(STREAMS).args(place_flag);
        desk.run(sync).await.expect_code(0);
        desk.assert_kept_to_itself();
        let id = place["sheets"]["spreadsheet_id"].as_str().unwrap();
        for tab in sheets.edit(id, |book| book.titles()) {
            let cells = sheets.edit(id, |book| book.cells(&tab));
            desk.assert_no_canary(&tab, &json!(cells).to_string());
        }
    }
}

/// A source that makes an endpoint in its setup and gives back its secret. It reads once it and
/// the destination were seen at work, however fast they are.
const SOURCE: &str = r#"case "$1" in
spec) echo '{"type":"spec","spec":{"config":{"type":"object","properties":{"webhook_secret":{"type":"string","writeOnly":true},"webhook_id":{"type":"string"}}}}}';;
discover) echo '{"type":"catalog","catalog":{"streams":[{"name":"customers","primary_key":[["id"]],"newer_than_field":"u"}]}}';;
setup) echo '{"type":"control","control":{"control_type":"source_config","source_config":{"webhook_id":"we_1","webhook_secret":"WEBHOOK"}}}';;
read) until test -e seen; do sleep 0.01; done
echo 'my secret is WEBHOOK' >&2; cat "$3" >&2
echo '{"type":"stream_status","stream_status":{"stream":"customers","status":"start"}}'
echo '{"type":"record","record":{"stream":"customers","data":{"id":"1","u":1},"emitted_at":"2026-01-01T00:00:00.000Z"}}'
echo '{"type":"source_state","source_state":{"stream":"customers","data":{}}}'
echo '{"type":"stream_status","stream_status":{"stream":"customers","status":"complete"}}';;
esac"#;

#[tokio::test]
async fn a_secret_that_a_source_gives_back_is_kept_for_its_owner_alone() {
    let mut desk = Desk::new(&[WEBHOOK], ["source.sh read", "destination-sqlite write"]).await;
    desk.give("source.sh", &SOURCE.replace("WEBHOOK", WEBHOOK));
    for words in ["sync --output ndjson", "sync", "state export", "runs --json"] {
        let program = desk.bare(words).args(["--connector", "source.hello=sh source.sh"]).args([
            "--source",
            r#"{"type":"hello","hello":{}}"#,
            "--sqlite",
            "copy.db",
        ]);
        desk.run(program).await.expect_code(0);
    }
    desk.assert_kept_to_itself();
    let kept = std::fs::read_dir(desk.path("sync-engine")).unwrap();
    assert!(
        kept.flatten().any(|file| file.path().display().to_string().ends_with(".secrets.json")),
        "it is kept somewhere"
    );
}

//! The connectors on the list, and what each needs to be asked.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::postgres::{Cluster, Database};
use testkit::program::Program;
use testkit::sheets::FakeSheets;
use testkit::stripe::{API_KEY, FakeStripe};

/// A connector with a configuration that works, and whatever stands behind it.
pub(crate) struct Connector {
    pub(crate) name: &'static str,
    pub(crate) config: Value,
    pub(crate) catalog: Value,
    /// Of a source: a stream, and how many records it has.
    pub(crate) stream: (&'static str, usize),
    /// What works is held here as long as the connector is asked.
    folder: TempDir,
    _stripe: Option<FakeStripe>,
    _database: Option<Database<'static>>,
    _sheets: Option<FakeSheets>,
}

/// Every connector of the workspace, and those that docs/add-a-connector.md shows: a new one gets its
/// line here.
pub(crate) const ALL: [&str; 6] = [
    "source-stripe",
    "source-hello",
    "destination-postgres",
    "destination-sqlite",
    "destination-sheets",
    "destination-shelf",
];

/// What a connector says of itself.
pub(crate) async fn spec(name: &str) -> Value {
    let run = Program::named(name).arg("spec").run("").await.expect_code(0);
    run.of_type("spec").pop().unwrap()["spec"].clone()
}

impl Connector {
    pub(crate) async fn named(name: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (mut stripe, mut database, mut sheets) = (None, None, None);
        let mut stream = ("", 0);
        let config = match name {
            "source-stripe" => {
                let fake = FakeStripe::start(["--objects", "customers=230"]).await;
                let url = fake.url();
                stripe = Some(fake);
                stream = ("customers", 230);
                json!({"api_key": API_KEY, "api_version": "2026-01-28.clover", "base_url": url})
            }
            "source-hello" => {
                stream = ("greetings", 3);
                json!({"names": ["Ada", "Grace", "Edsger"]})
            }
            "destination-postgres" => {
                let made = Cluster::shared().create_database().await;
                let url = made.url();
                database = Some(made);
                json!({"url": url})
            }
            "destination-sqlite" => json!({"path": folder.path().join("copy.db")}),
            "destination-sheets" => {
                let fake = FakeSheets::start().await;
                let config = json!({
                    "spreadsheet_id": fake.spreadsheet("Copy"),
                    "service_account": fake.service_account(),
                    "base_url": fake.url(),
                    "token_url": fake.token_url(),
                    "flush_ms": 0,
                });
                sheets = Some(fake);
                config
            }
            "destination-shelf" => json!({"folder": folder.path()}),
            other => panic!("`{other}` is not on the list"),
        };
        let catalog = include_str!("../fixtures/pipe/catalog.json");
        let catalog = serde_json::from_str(catalog).unwrap();
        Self {
            name,
            config,
            catalog,
            stream,
            folder,
            _stripe: stripe,
            _database: database,
            _sheets: sheets,
        }
    }

    pub(crate) fn is_source(&self) -> bool {
        self.name.starts_with("source-")
    }

    /// The program with a command.
    pub(crate) fn command(&self, command: &str) -> Program {
        Program::named(self.name).folder(self.folder.path()).arg(command)
    }

    /// The program with a command and `--config`.
    pub(crate) fn configured(&self, command: &str) -> Program {
        self.command(command).arg("--config").arg(self.config.to_string())
    }

    /// The program with a command, `--config` and `--catalog`.
    pub(crate) fn with_catalog(&self, command: &str) -> Program {
        self.configured(command).arg("--catalog").arg(self.catalog.to_string())
    }

    /// Writes a file and gives its path.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

//! A database of a test's own, of each kind, and the program that writes it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::lines;
use testkit::postgres::{Cluster, Database};
use testkit::program::{Finished, Program, Running};
use testkit::sheets::FakeSheets;

/// Where rows end up.
enum Kind {
    Postgres(Database<'static>),
    /// The database of a server that the test breaks.
    Url(String),
    Sqlite {
        _folder: TempDir,
        path: PathBuf,
    },
    Sheets {
        fake: FakeSheets,
        spreadsheet: String,
    },
}

/// A database, and how it is written.
pub(crate) struct Place {
    kind: Kind,
    pub(crate) config: Value,
    pub(crate) catalog: Value,
}

/// What is there of one object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) stamp: i64,
    pub(crate) deleted: bool,
    pub(crate) document: Value,
}

pub(crate) const SQLITE: &str = "destination-sqlite";
pub(crate) const POSTGRES: &str = "destination-postgres";
pub(crate) const SHEETS: &str = "destination-sheets";

/// One place of each kind, a spreadsheet among them, set up with these settings.
pub(crate) async fn all_places(settings: Value) -> [Place; 3] {
    let [sqlite, postgres] = places(settings.clone()).await;
    [sqlite, postgres, place(SHEETS, &settings).await]
}

/// One database of each kind, set up with these settings.
pub(crate) async fn places(settings: Value) -> [Place; 2] {
    [place(SQLITE, &settings).await, place(POSTGRES, &settings).await]
}

/// A place of one kind.
pub(crate) async fn place(name: &str, settings: &Value) -> Place {
    let mut config = settings.clone();
    let kind = if name == SHEETS {
        let fake = FakeSheets::start().await;
        let spreadsheet = fake.spreadsheet("Copy");
        config["spreadsheet_id"] = json!(spreadsheet);
        config["access_token"] = json!(fake.access_token());
        config["base_url"] = json!(fake.url());
        config["requests_per_minute"] = json!(60_000);
        config["flush_ms"] = json!(0);
        Kind::Sheets { fake, spreadsheet }
    } else if name == SQLITE {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("copy.db");
        config["path"] = json!(path);
        Kind::Sqlite { _folder: folder, path }
    } else {
        let database = Cluster::shared().create_database().await;
        config["url"] = json!(database.url());
        Kind::Postgres(database)
    };
    let catalog = lines::catalog(&[stream("parents"), stream("children")]);
    let place = Place { kind, config, catalog };
    place.run(&["setup"], "").await.expect_code(0);
    place
}

/// A place in a server that the test breaks.
pub(crate) async fn breakable(cluster: &Cluster) -> Place {
    let url = cluster.create_database().await.url();
    let catalog = lines::catalog(&[stream("parents"), stream("children")]);
    let config = json!({"url": url, "batch_rows": 5});
    let place = Place { kind: Kind::Url(url), config, catalog };
    place.run(&["setup"], "").await.expect_code(0);
    place
}

impl Place {
    pub(crate) const fn name(&self) -> &'static str {
        match self.kind {
            Kind::Postgres(_) | Kind::Url(_) => POSTGRES,
            Kind::Sqlite { .. } => SQLITE,
            Kind::Sheets { .. } => SHEETS,
        }
    }

    /// A verb, with the configuration and the catalog.
    pub(crate) async fn run(&self, verb: &[&str], input: &str) -> Finished {
        self.program(verb).run(input).await
    }

    pub(crate) async fn write(&self, input: &str) -> Finished {
        self.run(&["write"], input).await
    }

    pub(crate) fn start(&self) -> Running {
        self.program(&["write"]).start()
    }

    fn program(&self, verb: &[&str]) -> Program {
        let (config, catalog) = (self.config.to_string(), self.catalog.to_string());
        Program::named(self.name()).args(verb).args(["--config", &config, "--catalog", &catalog])
    }

    /// The reasons of all dead letters, with their records.
    pub(crate) async fn letters(&self) -> Vec<(String, Value)> {
        let config = self.config.to_string();
        let listed =
            Program::named(self.name()).args(["dead-letters", "list", "--config", &config]);
        let logs = listed.run("").await.expect_code(0).of_type("log");
        let data = logs.iter().filter_map(|log| log["log"].get("data"));
        data.map(|data| (data["error"].as_str().unwrap().to_owned(), data["record"].clone()))
            .collect()
    }

    /// Writes what must go well, and returns a stream's counts, those of zero left out.
    pub(crate) async fn counts(&self, stream: &str, input: &str) -> Value {
        counts(&self.write(input).await.expect_code(0), stream)
    }

    /// The rows of a stream by id.
    pub(crate) async fn rows(&self, stream: &str) -> BTreeMap<String, Seen> {
        let texts = match &self.kind {
            Kind::Postgres(database) => database.column(&of_postgres(stream)).await,
            Kind::Url(url) => column(url, &of_postgres(stream)).await,
            Kind::Sqlite { path, .. } => {
                let connection = rusqlite::Connection::open(path).unwrap();
                let query = format!("SELECT _updated_at || ' ' || _raw_data FROM {stream}");
                let mut statement = connection.prepare(&query).unwrap();
                let rows = statement.query_map([], |row| row.get(0)).unwrap();
                rows.map(Result::unwrap).collect()
            }
            Kind::Sheets { fake, spreadsheet } => {
                sheet_rows(&fake.edit(spreadsheet, |book| book.cells(stream)))
            }
        };
        texts.iter().map(|text| seen(text)).collect()
    }

    /// The rows of a stream, each in short: id, name, whether deleted, stamp.
    pub(crate) async fn short(&self, stream: &str) -> Vec<String> {
        let short = |(id, seen): (String, Seen)| {
            let mark = if seen.deleted { " deleted" } else { "" };
            let name = seen.document["name"].as_str().unwrap_or("-").to_owned();
            format!("{id} {name}{mark} {}", seen.stamp)
        };
        self.rows(stream).await.into_iter().map(short).collect()
    }

    /// Runs a statement in the database.
    pub(crate) async fn execute(&self, statement: &str) {
        match &self.kind {
            Kind::Postgres(database) => database.execute(statement).await,
            Kind::Url(url) => drop(column(url, statement).await),
            Kind::Sqlite { path, .. } => {
                let statement = statement.replace("stripe.", "");
                rusqlite::Connection::open(path).unwrap().execute_batch(&statement).unwrap();
            }
            Kind::Sheets { .. } => panic!("a spreadsheet runs no statements"),
        }
    }
}

/// Each row of a tab as its stamp and a document of its cells.
fn sheet_rows(cells: &[Vec<Value>]) -> Vec<String> {
    let header = &cells[0];
    let row = |row: &Vec<Value>| {
        let cells = header.iter().zip(row).filter(|(_, cell)| **cell != json!(""));
        let document: serde_json::Map<String, Value> =
            cells.map(|(name, cell)| (name.as_str().unwrap().to_owned(), cell.clone())).collect();
        format!("{} {}", document["_updated_at"], Value::Object(document.clone()))
    };
    cells[1..].iter().map(row).collect()
}

fn of_postgres(stream: &str) -> String {
    format!(
        "SELECT extract(epoch FROM _updated_at)::bigint || ' ' || _raw_data::text FROM stripe.{stream}"
    )
}

async fn column(url: &str, query: &str) -> Vec<String> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(connection);
    let rows = client.query(query, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

fn seen(text: &str) -> (String, Seen) {
    let (stamp, document) = text.split_once(' ').unwrap();
    let document: Value = serde_json::from_str(document).unwrap();
    let id = document["id"].as_str().unwrap().to_owned();
    let deleted = document["deleted"] == true;
    (id, Seen { stamp: stamp.parse().unwrap(), deleted, document })
}

/// Sums of a stream's counts over everything that a run told.
pub(crate) fn counts(run: &Finished, stream: &str) -> Value {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for message in run.messages() {
        let counts = message["_written"][stream].as_object().cloned().unwrap_or_default();
        for (kind, count) in counts {
            *sums.entry(kind).or_default() += count.as_u64().unwrap();
        }
    }
    sums.retain(|_, count| *count > 0);
    json!(sums)
}

pub(crate) fn stream(name: &str) -> Value {
    json!({
        "name": name,
        "primary_key": [["id"], ["_account_id"]],
        "newer_than_field": "_updated_at",
        "soft_delete_field": "deleted",
        "metadata": {"live_mode": false, "account_id": "acct_1", "volatile": ["url"]},
        "json_schema": {"type": "object", "properties": {
            "id": {"type": "string"},
            "amount": {"type": "integer"},
            "parent": {"type": "string", "x-expandable-reference": true},
            "deleted": {"oneOf": [{"type": "boolean"}, {"type": "null"}]},
            "name": {"oneOf": [{"type": "string"}, {"type": "null"}]},
            "_account_id": {"type": "string", "enum": ["acct_1", "acct_2"]},
            "_updated_at": {"type": "integer"},
        }},
    })
}

/// The data of a record.
pub(crate) fn object(id: &str, stamp: i64, name: &str) -> Value {
    json!({"id": id, "object": "x", "name": name, "_account_id": "acct_1", "_updated_at": stamp})
}

/// The same, said to be deleted.
pub(crate) fn gone(id: &str, stamp: i64, name: &str) -> Value {
    let mut data = object(id, stamp, name);
    data["deleted"] = json!(true);
    data
}

/// What Stripe gives for a deleted object.
pub(crate) fn stub(id: &str, stamp: i64) -> Value {
    json!({"id": id, "object": "x", "deleted": true, "_account_id": "acct_1", "_updated_at": stamp})
}

/// A page's record of a parent.
pub(crate) fn list(data: &Value) -> String {
    lines::record_from("list", "parents", data)
}

/// An event's record of a parent.
pub(crate) fn event(data: &Value) -> String {
    lines::record_from("event", "parents", data)
}

//! The copy: where it is, and what it holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use testkit::canonical::canonical;
use testkit::postgres::Cluster;
use testkit::program::Program;
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// The kind of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    Sqlite,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
        }
    }
}

/// A database of one run.
#[derive(Debug, Clone)]
pub(crate) enum Copy {
    Postgres { server: String, name: String, url: String },
    Sqlite(PathBuf),
}

impl Copy {
    /// A database on a server, or a file in a folder.
    pub(crate) async fn make(cluster: Option<&Cluster>, folder: &Path) -> Self {
        let Some(cluster) = cluster else { return Self::Sqlite(folder.join("copy.db")) };
        let database = cluster.create_database().await;
        Self::Postgres {
            server: cluster.url("postgres"),
            name: database.name().to_owned(),
            url: database.url(),
        }
    }

    /// Points a program at it.
    pub(crate) fn target(&self, program: Program) -> Program {
        match self {
            Self::Postgres { url, .. } => program.args(["--postgres-url", url]),
            Self::Sqlite(path) => program.arg("--sqlite").arg(path),
        }
    }

    /// What is stored of how far the streams got.
    pub(crate) async fn states(&self) -> BTreeMap<String, Value> {
        let table = match self {
            Self::Postgres { .. } => "stripe._sync_state",
            Self::Sqlite(_) => "_sync_state",
        };
        let query = format!("SELECT stream || ' ' || CAST(state AS text) FROM {table}");
        let states = self.column(&query).await;
        let state = |text: &String| {
            let (stream, state) = text.split_once(' ').unwrap();
            (stream.to_owned(), serde_json::from_str(state).unwrap())
        };
        states.iter().map(state).collect()
    }

    /// The rows of a stream by id: the documents in canonical form, less what the copy adds.
    pub(crate) async fn rows(&self, stream: &str) -> BTreeMap<String, Value> {
        let schema = if matches!(self, Self::Sqlite(_)) { "" } else { "stripe." };
        let query = format!("SELECT CAST(_raw_data AS text) FROM {schema}\"{stream}\"");
        let row = |text: &String| {
            let mut document: Value = serde_json::from_str(text).unwrap();
            let object = document.as_object_mut().unwrap();
            assert!(object.remove("_account_id").is_some(), "{stream}: {text}");
            (object["id"].as_str().unwrap().to_owned(), canonical(document))
        };
        self.column(&query).await.iter().map(row).collect()
    }

    /// Records that could not be stored, with the reason.
    pub(crate) async fn refused(&self) -> Vec<String> {
        let schema = if matches!(self, Self::Sqlite(_)) { "" } else { "stripe." };
        let query = format!("SELECT stream || ': ' || error FROM {schema}_sync_dead_letter");
        self.column(&query).await
    }

    /// A superuser's connection to the server, if there is one; it lives with the tasks.
    pub(crate) async fn client(&self, tasks: &mut JoinSet<()>) -> Option<Client> {
        let Self::Postgres { url, .. } = self else { return None };
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.ok()?;
        tasks.spawn(async {
            // It ends with the server or with the client, both of which are meant.
            drop(connection.await);
        });
        Some(client)
    }

    /// Removes a database, so that a thousand runs need no room.
    pub(crate) async fn remove(self) {
        let Self::Postgres { server, name, .. } = self else { return };
        let (client, connection) = tokio_postgres::connect(&server, NoTls).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        client.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    }

    /// The first column of a query's rows; none if the table is not there yet.
    async fn column(&self, query: &str) -> Vec<String> {
        match self {
            Self::Postgres { .. } => {
                let mut tasks = JoinSet::new();
                let client = self.client(&mut tasks).await.expect("the server takes connections");
                postgres_column(&client, query).await
            }
            Self::Sqlite(path) => sqlite_column(path, query),
        }
    }
}

async fn postgres_column(client: &Client, query: &str) -> Vec<String> {
    let answers = match client.simple_query(query).await {
        Ok(answers) => answers,
        Err(error) if error.code().is_some_and(|code| code.code().starts_with("42P")) => Vec::new(),
        Err(error) if error.code().is_some_and(|code| code.code() == "3F000") => Vec::new(),
        Err(error) => panic!("{query}: {error:?}"),
    };
    let rows = answers.iter().filter_map(|answer| {
        let SimpleQueryMessage::Row(row) = answer else { return None };
        Some(row.get(0).expect("a value").to_owned())
    });
    rows.collect()
}

fn sqlite_column(path: &Path, query: &str) -> Vec<String> {
    if !path.exists() {
        return Vec::new();
    }
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.busy_timeout(testkit::program::DEADLINE).unwrap();
    let mut statement = match connection.prepare(query) {
        Ok(statement) => statement,
        Err(error) if error.to_string().contains("no such table") => return Vec::new(),
        Err(error) => panic!("{query}: {error}"),
    };
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

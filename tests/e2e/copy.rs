//! The copy in a database, and the command that makes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use testkit::canonical::canonical;
use testkit::postgres::Database;
use testkit::program::Program;
use testkit::stripe::{API_KEY, FakeStripe};

/// A stream's rows by id: the document, less what the copy adds, in canonical form.
pub(crate) type Rows = BTreeMap<String, Value>;

/// Where a copy is.
pub(crate) enum Copy<'a> {
    Postgres(&'a Database<'a>),
    Sqlite(PathBuf),
}

impl Copy<'_> {
    /// `sync-engine sync` from a fake Stripe into this copy, in an empty folder of its own.
    pub(crate) fn sync(&self, stripe: &FakeStripe, folder: &Path) -> Program {
        let program = Program::named("sync-engine")
            .folder(folder)
            .env("XDG_STATE_HOME", folder)
            .args(["sync", "--stripe-api-key", API_KEY])
            .args(["--stripe-base-url", &stripe.url()])
            // The limits of a test key are for Stripe; a loopback server may be asked faster.
            .args(["--stripe-rate-limit", "10000", "--source.endpoint_rate_limit", "10000"]);
        match self {
            Self::Postgres(database) => program.args(["--postgres-url", &database.url()]),
            Self::Sqlite(path) => program.arg("--sqlite").arg(path),
        }
    }

    /// The rows of a stream's table; none when there is no table.
    pub(crate) async fn rows(&self, stream: &str) -> Rows {
        let texts = match self {
            Self::Postgres(database) => {
                let table = format!("stripe.\"{stream}\"");
                let there = database
                    .value(&format!("SELECT (to_regclass('{table}') IS NOT NULL)::text"))
                    .await;
                if there != "true" {
                    return Rows::new();
                }
                database.column(&format!("SELECT _raw_data::text FROM {table}")).await
            }
            Self::Sqlite(path) => {
                sqlite_column(path, &format!("SELECT _raw_data FROM \"{stream}\""))
            }
        };
        texts.iter().map(|text| row(text)).collect()
    }

    /// Whether anything was left where the copy was: a schema, a table.
    pub(crate) async fn holds_anything(&self) -> bool {
        match self {
            Self::Postgres(database) => {
                let asked = "SELECT (to_regnamespace('stripe') IS NOT NULL)::text";
                database.value(asked).await == "true"
            }
            Self::Sqlite(path) => !sqlite_column(path, "SELECT name FROM sqlite_schema").is_empty(),
        }
    }

    /// A value that changes when any row of a stream is rewritten.
    pub(crate) async fn fingerprint(&self, stream: &str) -> Vec<String> {
        match self {
            Self::Postgres(database) => {
                let query = format!(
                    "SELECT ctid::text || ' ' || xmin::text FROM stripe.\"{stream}\" ORDER BY 1"
                );
                database.column(&query).await
            }
            Self::Sqlite(path) => {
                let query = format!(
                    "SELECT rowid || ' ' || _updated_at || ' ' || _hash || _raw_data FROM \"{stream}\" ORDER BY 1"
                );
                sqlite_column(path, &query)
            }
        }
    }

    /// Asserts that every object of the oracle is here and nothing else.
    pub(crate) async fn assert_equals(&self, stripe: &FakeStripe, streams: &[String]) {
        for stream in streams {
            let (expected, found) = (stripe.oracle(stream).await, self.rows(stream).await);
            let missing: Vec<_> = expected.keys().filter(|id| !found.contains_key(*id)).collect();
            let extra: Vec<_> = found.keys().filter(|id| !expected.contains_key(*id)).collect();
            assert!(
                missing.is_empty() && extra.is_empty(),
                "{stream}: {missing:?} are missing, {extra:?} too many"
            );
            for (id, object) in &expected {
                assert_eq!(&found[id], object, "{stream} {id}");
            }
        }
    }
}

fn row(text: &str) -> (String, Value) {
    let mut document: Value = serde_json::from_str(text).unwrap();
    let object = document.as_object_mut().unwrap();
    assert!(object.remove("_account_id").is_some(), "every document names its account");
    (object["id"].as_str().unwrap().to_owned(), canonical(document))
}

fn sqlite_column(path: &Path, query: &str) -> Vec<String> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = match connection.prepare(query) {
        Ok(statement) => statement,
        Err(error) if error.to_string().contains("no such table") => return Vec::new(),
        Err(error) => panic!("{query}: {error}"),
    };
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

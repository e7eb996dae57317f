//! State in the data file of a SQLite copy.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use serde_json::Value;
use serde_json::value::RawValue;

use super::kept::{GLOBAL, Kept, Pipeline, Removed, StoreError, TABLES as ALL};
use super::lease::Holder;
use super::sqlite_runs;
use crate::config::Config;
use crate::reduce::Unsaved;

/// The same tables as in PostgreSQL.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS _sync_state (
        sync_id TEXT NOT NULL, stream TEXT NOT NULL, state TEXT NOT NULL,
        updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
        PRIMARY KEY (sync_id, stream)
    );
    CREATE TABLE IF NOT EXISTS _sync_pipeline (
        sync_id TEXT PRIMARY KEY, places TEXT NOT NULL, last_run TEXT, pinned TEXT NOT NULL,
        updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    );";

/// How long to wait while the destination commits.
const PATIENCE: Duration = Duration::from_secs(30);

/// State in tables beside the data.
#[derive(Debug)]
pub struct SqliteStore {
    pub(super) pipeline: String,
    pub(super) path: String,
    connection: Option<Connection>,
    /// Who runs the pipeline, once that is this process.
    pub(super) holder: Option<Holder>,
}

impl SqliteStore {
    pub(super) fn new(pipeline: &str, config: &Config) -> Self {
        let path = config.get("path").and_then(Value::as_str).unwrap_or_default();
        Self {
            pipeline: pipeline.to_owned(),
            path: path.to_owned(),
            connection: None,
            holder: None,
        }
    }

    pub(super) fn describe(&self) -> String {
        format!("table `_sync_state` in `{}`", self.path)
    }

    pub(super) async fn load(&mut self) -> Result<Kept, StoreError> {
        if !Path::new(&self.path).exists() {
            return Ok(Kept::default());
        }
        let pipeline = self.pipeline.clone();
        self.with("loading state", move |connection| {
            if !has_table(connection, "_sync_state")? || !has_table(connection, "_sync_pipeline")? {
                return Ok(Kept::default());
            }
            load(connection, &pipeline)
        })
        .await
    }

    pub(super) async fn prepare(&mut self) -> Result<(), StoreError> {
        self.with("making tables for state", |connection| {
            connection.execute_batch(TABLES)?;
            sqlite_runs::prepare(connection)
        })
        .await
    }

    pub(super) async fn save(
        &mut self,
        unsaved: Unsaved,
        pipeline: Option<Pipeline>,
    ) -> Result<(), StoreError> {
        let (id, holder) = (self.pipeline.clone(), self.holder.clone());
        let saved = self.with("saving state", move |connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if let Some(holder) = &holder
                && !sqlite_runs::keeps(&transaction, &id, holder)?
            {
                return Ok(false);
            }
            let states = unsaved.streams.iter().map(|(name, state)| (name.as_str(), state));
            let global = unsaved.global.iter().map(|state| (GLOBAL, state));
            for (stream, state) in states.chain(global) {
                save_state(&transaction, &id, stream, state.get())?;
            }
            if let Some(pipeline) = &pipeline {
                save_pipeline(&transaction, &id, pipeline)?;
            }
            transaction.commit()?;
            Ok(true)
        });
        if saved.await? {
            return Ok(());
        }
        Err(StoreError::TakenOver { pipeline: self.pipeline.clone() })
    }

    pub(super) async fn reset(&mut self, streams: Option<Vec<String>>) -> Result<(), StoreError> {
        let id = self.pipeline.clone();
        self.with("forgetting state", move |connection| {
            let transaction = connection.transaction()?;
            for stream in streams.iter().flatten() {
                let statement = "DELETE FROM _sync_state WHERE sync_id = ?1 AND stream = ?2";
                transaction.execute(statement, [&id, stream])?;
            }
            if streams.is_none() {
                transaction.execute("DELETE FROM _sync_state WHERE sync_id = ?1", [&id])?;
            }
            transaction.commit()
        })
        .await
    }

    pub(super) async fn remove(&mut self) -> Result<Removed, StoreError> {
        let Some(holder) = self.holder.clone() else { return Ok(Removed::Nothing) };
        let id = self.pipeline.clone();
        let removed = self.with("forgetting the pipeline", move |connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if !sqlite_runs::keeps(&transaction, &id, &holder)? {
                return Ok(None);
            }
            let removed = remove(&transaction, &id)?;
            transaction.commit()?;
            Ok(Some(removed))
        });
        let removed = removed.await?;
        self.holder = None;
        removed.ok_or_else(|| StoreError::TakenOver { pipeline: self.pipeline.clone() })
    }

    /// Does something with the connection on a thread where waiting harms nobody.
    pub(super) async fn with<T: Send + 'static>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (path, connection) = (self.path.clone(), self.connection.take());
        let done = tokio::task::spawn_blocking(move || {
            let mut connection = match connection {
                Some(connection) => connection,
                None => open(&path)?,
            };
            let result = work(&mut connection);
            result.map(|value| (connection, value))
        });
        let failed = |source| StoreError::Sqlite { doing, path: self.path.clone(), source };
        let (connection, value) =
            done.await.map_err(|error| StoreError::CutOff(error.to_string()))?.map_err(failed)?;
        self.connection = Some(connection);
        Ok(value)
    }
}

fn remove(transaction: &Transaction<'_>, id: &str) -> rusqlite::Result<Removed> {
    let mut others = 0;
    for table in ALL {
        transaction.execute(&format!("DELETE FROM {table} WHERE sync_id = ?1"), [id])?;
        let asked = format!("SELECT count(*) FROM {table}");
        others += transaction.query_row(&asked, [], |row| row.get::<_, u32>(0))?;
    }
    if others > 0 {
        return Ok(Removed::Rows);
    }
    for table in ALL {
        transaction.execute_batch(&format!("DROP TABLE {table}"))?;
    }
    Ok(Removed::Place)
}

fn open(path: &str) -> rusqlite::Result<Connection> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE
        | rusqlite::OpenFlags::SQLITE_OPEN_CREATE
        | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    Ok(connection)
}

pub(super) fn has_table(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let asked = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1";
    Ok(connection.query_row(asked, [table], |_| Ok(())).optional()?.is_some())
}

fn load(connection: &Connection, pipeline: &str) -> rusqlite::Result<Kept> {
    let mut kept = Kept::default();
    let mut statement =
        connection.prepare("SELECT stream, state FROM _sync_state WHERE sync_id = ?1")?;
    let mut rows = statement.query([pipeline])?;
    while let Some(row) = rows.next()? {
        let stream: String = row.get(0)?;
        match RawValue::from_string(row.get(1)?) {
            Ok(state) if stream == GLOBAL => kept.source.global = Some(state),
            Ok(state) => {
                kept.source.streams.insert(stream, state);
            }
            Err(error) => kept.unreadable.push((stream, error.to_string())),
        }
    }
    let asked = "SELECT places, last_run, pinned FROM _sync_pipeline WHERE sync_id = ?1";
    let own = connection.query_row(asked, [pipeline], pipeline_of).optional()?;
    kept.pipeline = own.unwrap_or_default();
    Ok(kept)
}

/// What does not decode was written by another program: those places count as unknown.
fn pipeline_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Pipeline> {
    let (places, pinned): (String, String) = (row.get(0)?, row.get(2)?);
    Ok(Pipeline {
        places: serde_json::from_str(&places).unwrap_or_default(),
        last_run: row.get(1)?,
        pinned: serde_json::from_str(&pinned).unwrap_or_default(),
    })
}

fn save_state(
    transaction: &Transaction<'_>,
    id: &str,
    stream: &str,
    state: &str,
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO _sync_state (sync_id, stream, state) VALUES (?1, ?2, ?3)
         ON CONFLICT (sync_id, stream) DO UPDATE SET state = excluded.state,
         updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
    )?;
    statement.execute([id, stream, state]).map(drop)
}

fn save_pipeline(
    transaction: &Transaction<'_>,
    id: &str,
    pipeline: &Pipeline,
) -> rusqlite::Result<()> {
    let places = serde_json::to_string(&pipeline.places).unwrap_or_else(|_| "{}".to_owned());
    let pinned = Value::Object(pipeline.pinned.clone()).to_string();
    transaction
        .execute(
            "INSERT INTO _sync_pipeline (sync_id, places, last_run, pinned) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (sync_id) DO UPDATE SET places = excluded.places,
             last_run = excluded.last_run, pinned = excluded.pinned,
             updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
            params![id, places, pipeline.last_run, pinned],
        )
        .map(drop)
}

#[cfg(test)]
mod tests {
    use protocol::Place;

    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn store(folder: &tempfile::TempDir, pipeline: &str) -> SqliteStore {
        let path = folder.path().join("copy.db").display().to_string();
        SqliteStore::new(pipeline, &Config::from_iter([("path".to_owned(), path.into())]))
    }

    #[tokio::test]
    async fn what_was_saved_is_loaded_and_pipelines_do_not_meet() {
        let folder = tempfile::tempdir().unwrap();
        let mut one = store(&folder, "one");
        assert!(one.load().await.unwrap().source.is_empty());
        assert!(!folder.path().join("copy.db").exists(), "loading makes nothing");
        one.prepare().await.unwrap();
        let places = [("a".to_owned(), Place { id: "x".to_owned(), run: None })].into();
        let pipeline = Pipeline { places, last_run: Some("r".to_owned()), ..Pipeline::default() };
        let streams = [("a".to_owned(), raw(r#"{"n":1.10}"#)), ("b".to_owned(), raw("2"))].into();
        let unsaved = Unsaved { streams, global: Some(raw("{}")), pipeline: true };
        one.save(unsaved, Some(pipeline.clone())).await.unwrap();
        let kept = store(&folder, "one").load().await.unwrap();
        assert_eq!(kept.source.streams["a"].get(), r#"{"n":1.10}"#);
        assert!(kept.source.global.is_some());
        assert_eq!(kept.pipeline, pipeline);
        assert!(store(&folder, "two").load().await.unwrap().source.is_empty());

        one.reset(Some(vec!["a".to_owned()])).await.unwrap();
        let kept = one.load().await.unwrap();
        assert_eq!(kept.source.streams.keys().collect::<Vec<_>>(), ["b"]);
        one.reset(None).await.unwrap();
        assert!(one.load().await.unwrap().source.is_empty());
    }

    #[tokio::test]
    async fn a_state_that_is_cut_costs_its_stream_only() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = store(&folder, "one");
        store.prepare().await.unwrap();
        let connection = open(&store.path).unwrap();
        for (stream, state) in [("a", r#"{"remaining":[{"gt"#), ("b", "{}")] {
            let insert = "INSERT INTO _sync_state (sync_id, stream, state) VALUES ('one', ?1, ?2)";
            connection.execute(insert, [stream, state]).unwrap();
        }
        let kept = store.load().await.unwrap();
        assert_eq!(kept.source.streams.keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(kept.unreadable[0].0, "a");
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("copy.db"), "this is no database at all").unwrap();
        let error = store(&folder, "one").load().await.unwrap_err().to_string();
        assert!(error.contains("copy.db") && error.contains("not a database"), "{error}");
    }
}

//! Runs and who runs, in SQLite.

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::kept::{RUNS, StoreError};
use super::lease::{EXPIRY_SECONDS, Holder};
use super::sqlite::{SqliteStore, has_table};
use crate::runlog::RunRecord;

/// The same tables as in PostgreSQL.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS _sync_lease (
        sync_id TEXT PRIMARY KEY, holder TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,
        taken_at TEXT NOT NULL, heartbeat_at INTEGER NOT NULL
    );
    CREATE TABLE IF NOT EXISTS _sync_run (
        sync_id TEXT NOT NULL, run_id TEXT NOT NULL, trigger TEXT NOT NULL, time_ceiling TEXT,
        started_at TEXT NOT NULL, ended_at TEXT, calls INTEGER NOT NULL, status TEXT NOT NULL,
        reason TEXT, has_more INTEGER NOT NULL, exit_status INTEGER, record_count INTEGER NOT NULL,
        error TEXT, record TEXT NOT NULL, request_count INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (sync_id, run_id)
    );
    CREATE TABLE IF NOT EXISTS _sync_run_stream (
        sync_id TEXT NOT NULL, run_id TEXT NOT NULL, stream TEXT NOT NULL, status TEXT NOT NULL,
        record_count INTEGER NOT NULL, created_count INTEGER NOT NULL,
        updated_count INTEGER NOT NULL, deleted_count INTEGER NOT NULL,
        unchanged_count INTEGER NOT NULL, stale_count INTEGER NOT NULL,
        superseded_count INTEGER NOT NULL, refused_count INTEGER NOT NULL, message TEXT,
        PRIMARY KEY (sync_id, run_id, stream)
    );
    CREATE TABLE IF NOT EXISTS _sync_freshness (
        sync_id TEXT NOT NULL, stream TEXT NOT NULL, run_id TEXT NOT NULL, up_to TEXT,
        completed_at TEXT NOT NULL, changed_at TEXT, PRIMARY KEY (sync_id, stream)
    );";

/// Columns that tables of an earlier version lack.
const COLUMNS: [(&str, &str, &str); 2] = [
    ("_sync_run", "request_count", "INTEGER NOT NULL DEFAULT 0"),
    ("_sync_freshness", "changed_at", "TEXT"),
];

/// Makes the tables, and adds to older ones what they lack.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(TABLES)?;
    for (table, column, kind) in COLUMNS {
        let asked = "SELECT count(*) FROM pragma_table_info(?1) WHERE name = ?2";
        let count: u32 = connection.query_row(asked, [table, column], |row| row.get(0))?;
        if count == 0 {
            connection.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {column} {kind}"))?;
        }
    }
    Ok(())
}

impl SqliteStore {
    pub(super) async fn acquire(&mut self, holder: &Holder) -> Result<bool, StoreError> {
        if self.holder.is_some() {
            return Ok(true);
        }
        if !std::path::Path::new(&self.path).exists() {
            return Ok(false);
        }
        let (id, wanted) = (self.pipeline.clone(), holder.clone());
        let taken =
            self.with("taking the pipeline", move |connection| take(connection, &id, &wanted));
        match taken.await? {
            Taken::Nowhere => Ok(false),
            Taken::Ours => {
                self.holder = Some(holder.clone());
                Ok(true)
            }
            Taken::Theirs(other, since) => {
                let pipeline = self.pipeline.clone();
                Err(StoreError::Held { pipeline, holder: format!("{other} since {since}") })
            }
        }
    }

    pub(super) async fn beat(&mut self) -> Result<(), StoreError> {
        let Some(holder) = self.holder.clone() else { return Ok(()) };
        let id = self.pipeline.clone();
        let held = self
            .with("saying that this run lives", move |connection| keeps(connection, &id, &holder));
        if held.await? {
            return Ok(());
        }
        Err(StoreError::TakenOver { pipeline: self.pipeline.clone() })
    }

    pub(super) async fn release(&mut self) -> Result<(), StoreError> {
        let Some(holder) = self.holder.take() else { return Ok(()) };
        let id = self.pipeline.clone();
        self.with("giving the pipeline back", move |connection| {
            let statement = "DELETE FROM _sync_lease WHERE sync_id = ?1 AND holder = ?2";
            connection.execute(statement, [&id, &holder.token]).map(drop)
        })
        .await
    }

    pub(super) async fn runs(
        &mut self,
        run_id: Option<&str>,
        limit: u32,
    ) -> Result<Vec<RunRecord>, StoreError> {
        if !std::path::Path::new(&self.path).exists() {
            return Ok(Vec::new());
        }
        let (id, run_id) = (self.pipeline.clone(), run_id.map(str::to_owned));
        let texts = self.with("reading the run log", move |connection| {
            if !has_table(connection, "_sync_run")? {
                return Ok(Vec::new());
            }
            let mut statement = connection.prepare(
                "SELECT record FROM _sync_run WHERE sync_id = ?1 AND (?2 IS NULL OR run_id = ?2)
                 ORDER BY started_at DESC, rowid DESC LIMIT ?3",
            )?;
            let rows = statement.query_map(params![id, run_id, limit], |row| row.get(0))?;
            rows.collect::<rusqlite::Result<Vec<String>>>()
        });
        // A row of another version of the program that does not decode is left out.
        Ok(texts.await?.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
    }

    pub(super) async fn forget_runs(&mut self) -> Result<(), StoreError> {
        let id = self.pipeline.clone();
        self.with("forgetting old runs", move |connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let streams = "DELETE FROM _sync_run_stream WHERE sync_id = ?1 AND run_id NOT IN
                (SELECT run_id FROM _sync_run WHERE sync_id = ?1)";
            let runs = "DELETE FROM _sync_run WHERE sync_id = ?1 AND run_id IN
                (SELECT run_id FROM _sync_run WHERE sync_id = ?1
                 ORDER BY started_at DESC, rowid DESC LIMIT -1 OFFSET ?2)";
            if transaction.execute(runs, params![id, RUNS])? > 0 {
                transaction.execute(streams, [&id])?;
            }
            transaction.commit()
        })
        .await
    }

    pub(super) async fn save_run(&mut self, run: &RunRecord) -> Result<(), StoreError> {
        let record = serde_json::to_string(run)?;
        let id = self.pipeline.clone();
        self.with("writing the run log", move |connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for statement in [RUN, STREAMS, FRESHNESS] {
                transaction.execute(statement, [&id, &record])?;
            }
            transaction.commit()
        })
        .await
    }
}

enum Taken {
    Nowhere,
    Ours,
    Theirs(Holder, String),
}

fn take(connection: &mut Connection, id: &str, holder: &Holder) -> rusqlite::Result<Taken> {
    if !has_table(connection, "_sync_lease")? {
        return Ok(Taken::Nowhere);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let asked = "SELECT holder, host, pid, heartbeat_at < unixepoch('now') - ?2, taken_at
         FROM _sync_lease WHERE sync_id = ?1";
    let other = transaction
        .query_row(asked, params![id, EXPIRY_SECONDS], |row| {
            let other = Holder { token: row.get(0)?, host: row.get(1)?, pid: row.get(2)? };
            Ok((other, row.get::<_, bool>(3)?, row.get::<_, String>(4)?))
        })
        .optional()?;
    if let Some((other, expired, since)) = other
        && !holder.may_replace(&other, expired)
    {
        return Ok(Taken::Theirs(other, since));
    }
    transaction.execute(
        "INSERT OR REPLACE INTO _sync_lease (sync_id, holder, host, pid, taken_at, heartbeat_at)
         VALUES (?1, ?2, ?3, ?4, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), unixepoch('now'))",
        params![id, holder.token, holder.host, holder.pid],
    )?;
    transaction.commit()?;
    Ok(Taken::Ours)
}

/// Renews the lease, and says whether it is still this holder's; in a transaction, nobody else can
/// take it before that ends.
pub(super) fn keeps(connection: &Connection, id: &str, holder: &Holder) -> rusqlite::Result<bool> {
    let statement = "UPDATE _sync_lease SET heartbeat_at = unixepoch('now')
         WHERE sync_id = ?1 AND holder = ?2";
    Ok(connection.execute(statement, [id, &holder.token])? > 0)
}

const RUN: &str = "
    INSERT INTO _sync_run (sync_id, run_id, trigger, time_ceiling, started_at, ended_at, calls,
        status, reason, has_more, exit_status, record_count, error, request_count, record)
    SELECT ?1, ?2 ->> 'run_id', ?2 ->> 'trigger', ?2 ->> 'time_ceiling', ?2 ->> 'started_at',
        ?2 ->> 'ended_at', ?2 ->> 'calls', ?2 ->> 'status', ?2 ->> 'reason', ?2 ->> 'has_more',
        ?2 ->> 'exit_status', ?2 ->> 'record_count', ?2 ->> 'error',
        (SELECT coalesce(sum(value), 0) FROM json_each(?2, '$.tally.requests')), ?2 WHERE true
    ON CONFLICT (sync_id, run_id) DO UPDATE SET ended_at = excluded.ended_at,
        calls = excluded.calls, status = excluded.status, reason = excluded.reason,
        has_more = excluded.has_more, exit_status = excluded.exit_status,
        record_count = excluded.record_count, error = excluded.error,
        request_count = excluded.request_count, record = excluded.record";

const STREAMS: &str = "
    INSERT INTO _sync_run_stream (sync_id, run_id, stream, status, record_count, created_count,
        updated_count, deleted_count, unchanged_count, stale_count, superseded_count,
        refused_count, message)
    SELECT ?1, ?2 ->> 'run_id', s.key, s.value ->> 'status', s.value ->> 'record_count',
        s.value ->> 'created_count', s.value ->> 'updated_count', s.value ->> 'deleted_count',
        s.value ->> 'unchanged_count', s.value ->> 'stale_count', s.value ->> 'superseded_count',
        s.value ->> 'refused_count', s.value ->> 'message'
    FROM json_each(?2, '$.progress.streams') AS s WHERE true
    ON CONFLICT (sync_id, run_id, stream) DO UPDATE SET status = excluded.status,
        record_count = excluded.record_count, created_count = excluded.created_count,
        updated_count = excluded.updated_count, deleted_count = excluded.deleted_count,
        unchanged_count = excluded.unchanged_count, stale_count = excluded.stale_count,
        superseded_count = excluded.superseded_count, refused_count = excluded.refused_count,
        message = excluded.message
    WHERE status <> excluded.status OR record_count <> excluded.record_count
        OR message IS NOT excluded.message";

/// Without a word of the source, what was copied is all that was there when the run began.
const FRESHNESS: &str = "
    INSERT INTO _sync_freshness (sync_id, stream, run_id, up_to, completed_at, changed_at)
    SELECT ?1, s.key, ?2 ->> 'run_id',
        coalesce(s.value ->> 'up_to', ?2 ->> 'time_ceiling', ?2 ->> 'started_at'),
        coalesce(?2 ->> 'ended_at', strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
        s.value ->> 'changed_at'
    FROM json_each(?2, '$.progress.streams') AS s WHERE s.value ->> 'status' = 'completed'
    ON CONFLICT (sync_id, stream) DO UPDATE SET run_id = excluded.run_id, up_to = excluded.up_to,
        completed_at = excluded.completed_at,
        changed_at = coalesce(excluded.changed_at, changed_at)
    WHERE run_id <> excluded.run_id OR up_to IS NOT excluded.up_to
        OR changed_at IS NOT coalesce(excluded.changed_at, changed_at)";

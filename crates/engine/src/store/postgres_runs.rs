//! Runs and who runs, in PostgreSQL.

use pg::Ident;
use tokio_postgres::types::{ToSql, Type};

use super::kept::{RUNS, StoreError};
use super::lease::{EXPIRY_SECONDS, Holder};
use super::postgres::PostgresStore;
use crate::runlog::RunRecord;

impl PostgresStore {
    pub(super) async fn acquire(&mut self, holder: &Holder) -> Result<bool, StoreError> {
        let failed = |source| StoreError::Postgres { doing: "taking the pipeline", source };
        if self.holder.is_some() {
            return Ok(true);
        }
        if !self.has_table("_sync_lease").await.map_err(failed)? {
            return Ok(false);
        }
        if self.take(holder, None).await.map_err(failed)? {
            self.holder = Some(holder.clone());
            return Ok(true);
        }
        let (other, expired, since) = self.other().await.map_err(failed)?;
        let free = holder.may_replace(&other, expired);
        if free && self.take(holder, Some(&other.token)).await.map_err(failed)? {
            self.holder = Some(holder.clone());
            return Ok(true);
        }
        let pipeline = self.pipeline.clone();
        Err(StoreError::Held { pipeline, holder: format!("{other} since {since}") })
    }

    pub(super) async fn beat(&mut self) -> Result<(), StoreError> {
        let failed = |source| StoreError::Postgres { doing: "saying that this run lives", source };
        let Some(holder) = self.holder.clone() else { return Ok(()) };
        let (schema, id) = (self.schema.clone(), self.pipeline.clone());
        let client = self.client().await.map_err(failed)?;
        let held = keeps(&**client, &schema, &id, &holder).await;
        let held = held.map_err(|error| failed(pg::Error::query(WRITING, &error)))?;
        if held { Ok(()) } else { Err(StoreError::TakenOver { pipeline: id }) }
    }

    pub(super) async fn release(&mut self) -> Result<(), StoreError> {
        let failed = |source| StoreError::Postgres { doing: "giving the pipeline back", source };
        let Some(holder) = self.holder.take() else { return Ok(()) };
        let id = self.pipeline.clone();
        let statement =
            format!("DELETE FROM {}._sync_lease WHERE sync_id = $1 AND holder = $2", self.schema);
        let values: [(&(dyn ToSql + Sync), Type); 2] =
            [(&id, Type::TEXT), (&holder.token, Type::TEXT)];
        let client = self.client().await.map_err(failed)?;
        let done = client.query_typed(&statement, &values).await;
        done.map(drop).map_err(|error| failed(pg::Error::query(WRITING, &error)))
    }

    pub(super) async fn runs(
        &mut self,
        run_id: Option<&str>,
        limit: u32,
    ) -> Result<Vec<RunRecord>, StoreError> {
        let failed = |source| StoreError::Postgres { doing: "reading the run log", source };
        if !self.has_table("_sync_run").await.map_err(failed)? {
            return Ok(Vec::new());
        }
        let statement = format!(
            "SELECT record::text FROM {}._sync_run WHERE sync_id = $1 \
             AND ($2::text IS NULL OR run_id = $2) ORDER BY started_at DESC LIMIT $3",
            self.schema
        );
        let (id, limit) = (self.pipeline.clone(), i64::from(limit));
        let values: [(&(dyn ToSql + Sync), Type); 3] =
            [(&id, Type::TEXT), (&run_id, Type::TEXT), (&limit, Type::INT8)];
        let client = self.client().await.map_err(failed)?;
        let asking = |error| failed(pg::Error::query("reading `_sync_run`", &error));
        let rows = client.query_typed(&statement, &values).await.map_err(asking)?;
        let texts: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        // A row of another version of the program that does not decode is left out.
        let runs = texts.map_err(asking)?.into_iter();
        Ok(runs.filter_map(|text| serde_json::from_str(&text).ok()).collect())
    }

    pub(super) async fn save_run(&mut self, run: &RunRecord) -> Result<(), StoreError> {
        let failed = |source| StoreError::Postgres { doing: "writing the run log", source };
        let record = serde_json::to_string(run)?;
        let (schema, id) = (self.schema.clone(), self.pipeline.clone());
        let client = self.client().await.map_err(failed)?;
        for statement in [RUN, STREAMS, FRESHNESS] {
            let statement = statement.replace("{schema}", &schema.to_string());
            let values: [(&(dyn ToSql + Sync), Type); 2] =
                [(&id, Type::TEXT), (&record, Type::TEXT)];
            let done = client.query_typed(&statement, &values).await;
            done.map_err(|error| failed(pg::Error::query("writing `_sync_run`", &error)))?;
        }
        Ok(())
    }

    pub(super) async fn forget_runs(&mut self) -> Result<(), StoreError> {
        let failed = |source| StoreError::Postgres { doing: "forgetting old runs", source };
        let statement = format!(
            "WITH old AS (DELETE FROM {schema}._sync_run WHERE sync_id = $1 AND run_id IN \
             (SELECT run_id FROM {schema}._sync_run WHERE sync_id = $1 \
             ORDER BY started_at DESC OFFSET $2) RETURNING run_id) \
             DELETE FROM {schema}._sync_run_stream AS stream USING old \
             WHERE stream.sync_id = $1 AND stream.run_id = old.run_id",
            schema = self.schema
        );
        let (id, kept) = (self.pipeline.clone(), i64::from(RUNS));
        let values: [(&(dyn ToSql + Sync), Type); 2] = [(&id, Type::TEXT), (&kept, Type::INT8)];
        let client = self.client().await.map_err(failed)?;
        let done = client.query_typed(&statement, &values).await;
        done.map(drop).map_err(|error| failed(pg::Error::query("writing `_sync_run`", &error)))
    }

    /// Takes a pipeline that nobody has, or that `from` has.
    async fn take(&mut self, holder: &Holder, from: Option<&str>) -> Result<bool, pg::Error> {
        let statement = format!(
            "INSERT INTO {schema}._sync_lease AS lease (sync_id, holder, host, pid) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (sync_id) DO UPDATE SET holder = EXCLUDED.holder, \
             host = EXCLUDED.host, pid = EXCLUDED.pid, taken_at = now(), heartbeat_at = now() \
             WHERE lease.holder = $5 RETURNING 1",
            schema = self.schema
        );
        let (id, pid) = (self.pipeline.clone(), i64::from(holder.pid));
        let values: [(&(dyn ToSql + Sync), Type); 5] = [
            (&id, Type::TEXT),
            (&holder.token, Type::TEXT),
            (&holder.host, Type::TEXT),
            (&pid, Type::INT8),
            (&from, Type::TEXT),
        ];
        let rows = self.client().await?.query_typed(&statement, &values).await;
        Ok(!rows.map_err(|error| pg::Error::query(WRITING, &error))?.is_empty())
    }

    /// Who has the pipeline, whether that one was silent too long, and since when it has it.
    async fn other(&mut self) -> Result<(Holder, bool, String), pg::Error> {
        let failed = |error| pg::Error::query("reading `_sync_lease`", &error);
        let statement = format!(
            "SELECT holder, host, pid, heartbeat_at < now() - make_interval(secs => $2), \
             to_char(taken_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') \
             FROM {}._sync_lease WHERE sync_id = $1",
            self.schema
        );
        let (id, expiry) = (self.pipeline.clone(), EXPIRY_SECONDS);
        let values: [(&(dyn ToSql + Sync), Type); 2] = [(&id, Type::TEXT), (&expiry, Type::INT4)];
        let rows = self.client().await?.query_typed(&statement, &values).await.map_err(failed)?;
        let Some(row) = rows.first() else {
            // It was given back a moment ago; nobody holds the empty name.
            let nobody = Holder { token: String::new(), host: String::new(), pid: 0 };
            return Ok((nobody, true, String::new()));
        };
        let pid: i64 = row.try_get(2).map_err(failed)?;
        let holder = Holder {
            token: row.try_get(0).map_err(failed)?,
            host: row.try_get(1).map_err(failed)?,
            pid: u32::try_from(pid).unwrap_or_default(),
        };
        Ok((holder, row.try_get(3).map_err(failed)?, row.try_get(4).map_err(failed)?))
    }
}

const WRITING: &str = "writing `_sync_lease`";

/// Renews the lease, and says whether it is still this holder's; in a transaction, nobody else can
/// take it before that ends.
pub(super) async fn keeps(
    client: &impl tokio_postgres::GenericClient,
    schema: &Ident,
    pipeline: &str,
    holder: &Holder,
) -> Result<bool, tokio_postgres::Error> {
    let values: [(&(dyn ToSql + Sync), Type); 2] =
        [(&pipeline, Type::TEXT), (&holder.token, Type::TEXT)];
    client.query_typed(&keeping(schema), &values).await.map(|rows| !rows.is_empty())
}

/// A row where the lease of pipeline `$1` is still that of holder `$2`, renewed.
pub(super) fn keeping(schema: &Ident) -> String {
    format!(
        "UPDATE {schema}._sync_lease SET heartbeat_at = now() \
         WHERE sync_id = $1 AND holder = $2 RETURNING 1"
    )
}

const RUN: &str = "INSERT INTO {schema}._sync_run (sync_id, run_id, trigger, time_ceiling, \
     started_at, ended_at, calls, status, reason, has_more, exit_status, record_count, error, \
     request_count, record) \
     SELECT $1, r->>'run_id', r->>'trigger', (r->>'time_ceiling')::timestamptz, \
     (r->>'started_at')::timestamptz, (r->>'ended_at')::timestamptz, (r->>'calls')::integer, \
     r->>'status', r->>'reason', (r->>'has_more')::boolean, (r->>'exit_status')::integer, \
     (r->>'record_count')::bigint, r->>'error', \
     (SELECT coalesce(sum(value::bigint), 0) FROM jsonb_each_text(r->'tally'->'requests')), r \
     FROM (SELECT $2::text::jsonb AS r) AS given \
     ON CONFLICT (sync_id, run_id) DO UPDATE SET ended_at = EXCLUDED.ended_at, \
     calls = EXCLUDED.calls, status = EXCLUDED.status, reason = EXCLUDED.reason, \
     has_more = EXCLUDED.has_more, exit_status = EXCLUDED.exit_status, \
     record_count = EXCLUDED.record_count, error = EXCLUDED.error, \
     request_count = EXCLUDED.request_count, record = EXCLUDED.record";

/// Rows that stand as they are cost nothing: a run that follows comes here every few seconds.
const STREAMS: &str = "INSERT INTO {schema}._sync_run_stream AS known (sync_id, run_id, stream, \
     status, record_count, created_count, updated_count, deleted_count, unchanged_count, \
     stale_count, superseded_count, refused_count, message) \
     SELECT $1, r->>'run_id', s.key, s.value->>'status', (s.value->>'record_count')::bigint, \
     (s.value->>'created_count')::bigint, (s.value->>'updated_count')::bigint, \
     (s.value->>'deleted_count')::bigint, (s.value->>'unchanged_count')::bigint, \
     (s.value->>'stale_count')::bigint, (s.value->>'superseded_count')::bigint, \
     (s.value->>'refused_count')::bigint, s.value->>'message' \
     FROM (SELECT $2::text::jsonb AS r) AS given, jsonb_each(r->'progress'->'streams') AS s \
     ON CONFLICT (sync_id, run_id, stream) DO UPDATE SET status = EXCLUDED.status, \
     record_count = EXCLUDED.record_count, created_count = EXCLUDED.created_count, \
     updated_count = EXCLUDED.updated_count, deleted_count = EXCLUDED.deleted_count, \
     unchanged_count = EXCLUDED.unchanged_count, stale_count = EXCLUDED.stale_count, \
     superseded_count = EXCLUDED.superseded_count, refused_count = EXCLUDED.refused_count, \
     message = EXCLUDED.message \
     WHERE known.* IS DISTINCT FROM EXCLUDED.*";

/// Without a word of the source, what was copied is all that was there when the run began.
const FRESHNESS: &str = "INSERT INTO {schema}._sync_freshness AS known (sync_id, stream, run_id, \
     up_to, completed_at, changed_at) SELECT $1, s.key, r->>'run_id', \
     coalesce(s.value->>'up_to', r->>'time_ceiling', r->>'started_at')::timestamptz, \
     coalesce((r->>'ended_at')::timestamptz, now()), (s.value->>'changed_at')::timestamptz \
     FROM (SELECT $2::text::jsonb AS r) AS given, jsonb_each(r->'progress'->'streams') AS s \
     WHERE s.value->>'status' = 'completed' \
     ON CONFLICT (sync_id, stream) DO UPDATE SET run_id = EXCLUDED.run_id, up_to = EXCLUDED.up_to, \
     completed_at = EXCLUDED.completed_at, \
     changed_at = coalesce(EXCLUDED.changed_at, known.changed_at) \
     WHERE known.run_id <> EXCLUDED.run_id OR known.up_to IS DISTINCT FROM EXCLUDED.up_to \
     OR known.changed_at < EXCLUDED.changed_at \
     OR (known.changed_at IS NULL AND EXCLUDED.changed_at IS NOT NULL)";

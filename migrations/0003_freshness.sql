-- When something of a stream changed last, as a pipeline that follows keeps it.
ALTER TABLE {{schema}}._sync_freshness ADD COLUMN changed_at timestamptz;

-- What a run cost at the source, where the source counts its requests.
ALTER TABLE {{schema}}._sync_run ADD COLUMN request_count bigint NOT NULL DEFAULT 0;

-- Who runs a pipeline now. A holder that has not been heard of for 20 seconds has lost it; every
-- write of state names its holder, so that one that comes back late changes nothing.
CREATE TABLE {{schema}}._sync_lease (
    sync_id text PRIMARY KEY,
    holder text NOT NULL,
    host text NOT NULL,
    pid bigint NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT now(),
    heartbeat_at timestamptz NOT NULL DEFAULT now()
);

-- Every run, over all its calls. `record` is the whole of it, as the program reads it back.
CREATE TABLE {{schema}}._sync_run (
    sync_id text NOT NULL,
    run_id text NOT NULL,
    trigger text NOT NULL,
    time_ceiling timestamptz,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    calls integer NOT NULL,
    status text NOT NULL,
    reason text,
    has_more boolean NOT NULL,
    exit_status integer,
    record_count bigint NOT NULL,
    error text,
    record jsonb NOT NULL,
    PRIMARY KEY (sync_id, run_id)
);

CREATE INDEX ON {{schema}}._sync_run (sync_id, started_at);

-- What a run did with each stream.
CREATE TABLE {{schema}}._sync_run_stream (
    sync_id text NOT NULL,
    run_id text NOT NULL,
    stream text NOT NULL,
    status text NOT NULL,
    record_count bigint NOT NULL,
    created_count bigint NOT NULL,
    updated_count bigint NOT NULL,
    deleted_count bigint NOT NULL,
    unchanged_count bigint NOT NULL,
    stale_count bigint NOT NULL,
    superseded_count bigint NOT NULL,
    refused_count bigint NOT NULL,
    message text,
    PRIMARY KEY (sync_id, run_id, stream)
);

-- How fresh each stream is: everything created before `up_to` was copied by `completed_at`.
CREATE TABLE {{schema}}._sync_freshness (
    sync_id text NOT NULL,
    stream text NOT NULL,
    run_id text NOT NULL,
    up_to timestamptz,
    completed_at timestamptz NOT NULL,
    PRIMARY KEY (sync_id, stream)
);

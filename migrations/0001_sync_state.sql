-- How far each pipeline got. The shape of the first table is that of Stripe's own sync engine, so
-- that a copy it made can be taken over; the row named _global holds the state of the whole source.
CREATE TABLE IF NOT EXISTS {{schema}}._sync_state (
    sync_id text NOT NULL,
    stream text NOT NULL,
    state jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (sync_id, stream)
);

-- What a pipeline keeps beside its state: the identity of each stream's table, the run that was
-- started last, and the configuration values it began with.
CREATE TABLE {{schema}}._sync_pipeline (
    sync_id text PRIMARY KEY,
    places jsonb NOT NULL,
    last_run text,
    pinned jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

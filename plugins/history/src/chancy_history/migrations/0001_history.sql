-- What workers counted, by the minute and by the hour, and how many jobs waited.

CREATE TABLE {schema}.history_minutes (
    -- The beginning of the minute.
    at        timestamptz      NOT NULL,
    queue     text             NOT NULL,
    func      text             NOT NULL,
    -- Runs that began, and those of them that were a job's first.
    started   bigint           NOT NULL,
    first     bigint           NOT NULL,
    -- How runs ended.
    succeeded bigint           NOT NULL,
    failed    bigint           NOT NULL,
    cancelled bigint           NOT NULL,
    retried   bigint           NOT NULL,
    returned  bigint           NOT NULL,
    -- Sums, and how many were how long: chancy_history.buckets has the bounds.
    wait_s    double precision NOT NULL,
    run_s     double precision NOT NULL,
    waits     bigint[]         NOT NULL,
    runs      bigint[]         NOT NULL,
    CONSTRAINT history_minutes_pkey PRIMARY KEY (at, queue, func),
    CONSTRAINT history_minutes_buckets CHECK (cardinality(waits) = 18 AND cardinality(runs) = 18)
) WITH (
    -- A minute's row is written six times by each worker: room for that in its page, so that no index is touched.
    fillfactor = 60,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_scale_factor = 0.05
);

-- Whole hours, made of their minutes.
CREATE TABLE {schema}.history_hours (
    LIKE {schema}.history_minutes INCLUDING CONSTRAINTS,
    CONSTRAINT history_hours_pkey PRIMARY KEY (at, queue, func)
);

CREATE TABLE {schema}.history_depths (
    at      timestamptz NOT NULL,
    queue   text        NOT NULL,
    -- Jobs that wait for a worker. NULL: too many to be counted.
    pending bigint,
    CONSTRAINT history_depths_pkey PRIMARY KEY (at, queue)
);

-- The last writing of each process that counts: one whose answer was lost is not written twice.
CREATE TABLE {schema}.history_writers (
    writer text        NOT NULL,
    number bigint      NOT NULL,
    at     timestamptz NOT NULL,
    CONSTRAINT history_writers_pkey PRIMARY KEY (writer)
);

-- For people and dashboards: the minutes, and the hours that are older than these.
CREATE VIEW {schema}.history_v1 AS
SELECT at, 60 AS step_s, queue, func, started, first, succeeded, failed, cancelled, retried, returned, wait_s, run_s,
    waits, runs
FROM {schema}.history_minutes
UNION ALL
SELECT at, 3600, queue, func, started, first, succeeded, failed, cancelled, retried, returned, wait_s, run_s,
    waits, runs
FROM {schema}.history_hours
WHERE at < coalesce((SELECT date_trunc('hour', min(at), 'UTC') FROM {schema}.history_minutes), 'infinity');

CREATE VIEW {schema}.history_depths_v1 AS
SELECT at, queue, pending FROM {schema}.history_depths;

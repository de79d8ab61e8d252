-- The kernel's tables: live jobs, finished jobs, queues, workers.

-- Live jobs only, so that it stays small for ever. Each partial index serves one statement.
CREATE TABLE {schema}.jobs (
    id           uuid        NOT NULL,
    queue        text        NOT NULL,
    func         text        NOT NULL,
    priority     integer     NOT NULL DEFAULT 0,
    state        text        NOT NULL DEFAULT 'pending',
    max_attempts integer     NOT NULL DEFAULT 1,
    attempts     integer     NOT NULL DEFAULT 0,
    -- Raised by every claim, never lowered: (id, claims) names one run, and fences every later write about it.
    claims       integer     NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL DEFAULT now(),
    scheduled_at timestamptz,
    started_at   timestamptz,
    worker       text,
    unique_key   text,
    kwargs       json,
    meta         json,
    limits       json,
    options      json,
    errors       jsonb,
    note         text,
    CONSTRAINT jobs_pkey PRIMARY KEY (id),
    CONSTRAINT jobs_state CHECK (state IN ('scheduled', 'pending', 'running', 'retrying')),
    CONSTRAINT jobs_attempts CHECK (attempts BETWEEN 0 AND max_attempts),
    CONSTRAINT jobs_max_attempts CHECK (max_attempts >= 1),
    CONSTRAINT jobs_running CHECK ((state = 'running') = (worker IS NOT NULL)),
    -- Python's datetime knows no other years.
    CONSTRAINT jobs_scheduled_at CHECK (scheduled_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00'),
    CONSTRAINT jobs_due CHECK (state NOT IN ('scheduled', 'retrying') OR scheduled_at IS NOT NULL)
) WITH (
    -- Every job is inserted, updated and deleted within moments: vacuum by count, not by share of a table that is
    -- empty at night, and without pauses, or the dead rows outrun it.
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_threshold = 5000,
    autovacuum_analyze_scale_factor = 0.1
);

-- claim_jobs: its order is the claim's order, so that a claim never sorts.
CREATE INDEX jobs_ready ON {schema}.jobs (queue, priority, id) WHERE state = 'pending';
-- promote_jobs, next_due
CREATE INDEX jobs_due ON {schema}.jobs (scheduled_at) WHERE state IN ('scheduled', 'retrying');
-- rescue_jobs, and a worker's own when it stops
CREATE INDEX jobs_running ON {schema}.jobs (worker) WHERE state = 'running';
-- insert_jobs: the promise about unique keys
CREATE UNIQUE INDEX jobs_unique_key ON {schema}.jobs (unique_key) WHERE unique_key IS NOT NULL;

-- Finished jobs, by outcome and then by time, so that pruning can drop a partition instead of deleting rows. The
-- default partitions mean that no outcome can ever fail for want of one.
CREATE TABLE {schema}.finished_jobs (
    id           uuid        NOT NULL,
    queue        text        NOT NULL,
    func         text        NOT NULL,
    priority     integer     NOT NULL,
    state        text        NOT NULL,
    max_attempts integer     NOT NULL,
    attempts     integer     NOT NULL,
    claims       integer     NOT NULL,
    created_at   timestamptz NOT NULL,
    scheduled_at timestamptz,
    started_at   timestamptz,
    finished_at  timestamptz NOT NULL DEFAULT now(),
    worker       text,
    unique_key   text,
    kwargs       json,
    meta         json,
    limits       json,
    options      json,
    errors       jsonb,
    note         text,
    result       json
) PARTITION BY LIST (state);

CREATE TABLE {schema}.finished_succeeded PARTITION OF {schema}.finished_jobs
    FOR VALUES IN ('succeeded') PARTITION BY RANGE (finished_at);
CREATE TABLE {schema}.finished_succeeded_default PARTITION OF {schema}.finished_succeeded DEFAULT;
CREATE TABLE {schema}.finished_failed PARTITION OF {schema}.finished_jobs
    FOR VALUES IN ('failed') PARTITION BY RANGE (finished_at);
CREATE TABLE {schema}.finished_failed_default PARTITION OF {schema}.finished_failed DEFAULT;
CREATE TABLE {schema}.finished_cancelled PARTITION OF {schema}.finished_jobs
    FOR VALUES IN ('cancelled') PARTITION BY RANGE (finished_at);
CREATE TABLE {schema}.finished_cancelled_default PARTITION OF {schema}.finished_cancelled DEFAULT;

-- get_jobs, find_finished
CREATE INDEX finished_jobs_id ON {schema}.finished_jobs (id);

CREATE TABLE {schema}.queues (
    name             text             NOT NULL,
    concurrency      integer,
    tags             text[]           NOT NULL DEFAULT ARRAY['.*'],
    executor         text             NOT NULL,
    executor_options json             NOT NULL DEFAULT '{}',
    polling_interval double precision NOT NULL DEFAULT 5,
    state            text             NOT NULL DEFAULT 'active',
    resume_at        timestamptz,
    created_at       timestamptz      NOT NULL DEFAULT now(),
    CONSTRAINT queues_pkey PRIMARY KEY (name),
    CONSTRAINT queues_state CHECK (state IN ('active', 'paused')),
    CONSTRAINT queues_concurrency CHECK (concurrency >= 1),
    CONSTRAINT queues_polling_interval CHECK (polling_interval > 0)
);

INSERT INTO {schema}.queues (name, executor)
VALUES ('default', 'chancy_core.executors.auto.AutoExecutor');

-- One row a running worker; its lease says until when it may be believed to live.
CREATE TABLE {schema}.workers (
    worker      text        NOT NULL,
    tags        text[]      NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    seen_at     timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz NOT NULL,
    CONSTRAINT workers_pkey PRIMARY KEY (worker)
);

-- compatible: yes
-- Runs of workflows: their steps, which step comes after which, and the signals that were sent to them.
--
-- Nothing refers to anything by a foreign key: to check one locks the row of the run, which everything of that run waits for.

CREATE TABLE {schema}.workflow_runs (
    id         uuid        NOT NULL,
    name       text        NOT NULL,
    unique_key text,
    on_failure text        NOT NULL,
    state      text        NOT NULL DEFAULT 'running',
    -- What it was stopped by: a failure that nobody caught, a cancel, or a cancel that leaves nothing out.
    stopping   text,
    note       text,
    -- Counts from 1; each retry is one more.
    attempt    integer     NOT NULL DEFAULT 1,
    -- How many steps it has, parts of maps left out, and how many of them have not ended.
    size       integer     NOT NULL,
    unended    integer     NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz,
    -- Its attempts before this one, as a list of objects.
    past       json,
    CONSTRAINT workflow_runs_pkey PRIMARY KEY (id),
    CONSTRAINT workflow_runs_state CHECK (state IN ('running', 'succeeded', 'failed', 'cancelled')),
    CONSTRAINT workflow_runs_stopping CHECK (stopping IN ('failure', 'cancel', 'now')),
    CONSTRAINT workflow_runs_on_failure CHECK (on_failure IN ('finish', 'cancel')),
    CONSTRAINT workflow_runs_unended CHECK (unended BETWEEN 0 AND size),
    CONSTRAINT workflow_runs_ended CHECK ((state = 'running') = (ended_at IS NULL))
) WITH (fillfactor = 70);

CREATE UNIQUE INDEX workflow_runs_unique_key ON {schema}.workflow_runs (unique_key)
    WHERE unique_key IS NOT NULL AND state = 'running';
CREATE INDEX workflow_runs_ended_at ON {schema}.workflow_runs (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE {schema}.workflow_steps (
    run           uuid        NOT NULL,
    -- Its place in the workflow, from 0; a part of a map has one after all of these.
    n             integer     NOT NULL,
    name          text        NOT NULL,
    kind          text        NOT NULL,
    state         text        NOT NULL,
    -- The group, or for a part the map, that it belongs to.
    scope         integer,
    -- How many steps before it have not ended; of an open map, how many parts.
    need          integer     NOT NULL,
    -- The fields of its job, and whatever else Node says of it.
    node          json        NOT NULL,
    max_in_flight integer,
    job_id        uuid,
    result        json,
    note          text,
    -- When it was pushed, or began to wait for its signal.
    begun_at      timestamptz,
    -- When the signal will not be waited for any longer.
    due_at        timestamptz,
    ended_at      timestamptz,
    -- Its job is to be cancelled.
    stopped       boolean     NOT NULL DEFAULT false,
    -- Since when its job cannot be found.
    missed_at     timestamptz,
    -- What became of it in attempts before this one, as a list of objects.
    past          json,
    CONSTRAINT workflow_steps_pkey PRIMARY KEY (run, n),
    CONSTRAINT workflow_steps_kind CHECK (kind IN ('job', 'map', 'part', 'wait', 'gate', 'group')),
    CONSTRAINT workflow_steps_state CHECK (
        state IN ('waiting', 'ready', 'open', 'pushed', 'succeeded', 'failed', 'cancelled', 'expired', 'skipped')
    )
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX workflow_steps_job ON {schema}.workflow_steps (job_id) WHERE state = 'pushed';
CREATE INDEX workflow_steps_due ON {schema}.workflow_steps (due_at) WHERE state = 'open' AND due_at IS NOT NULL;
CREATE INDEX workflow_steps_stopped ON {schema}.workflow_steps (run) WHERE state = 'pushed' AND stopped;
-- What is left when more begin at once than are pushed in one transaction.
CREATE INDEX workflow_steps_ready ON {schema}.workflow_steps (run, n) WHERE state = 'ready';
CREATE INDEX workflow_steps_parts ON {schema}.workflow_steps (run, scope, n) WHERE kind = 'part';
CREATE INDEX workflow_steps_name ON {schema}.workflow_steps (run, name) WHERE kind <> 'part';

CREATE TABLE {schema}.workflow_edges (
    run    uuid    NOT NULL,
    parent integer NOT NULL,
    child  integer NOT NULL,
    -- `within`: the step belongs to the group.
    on_end text    NOT NULL,
    CONSTRAINT workflow_edges_pkey PRIMARY KEY (run, parent, child),
    CONSTRAINT workflow_edges_on_end CHECK (on_end IN ('succeeded', 'failed', 'finished', 'within'))
);

CREATE TABLE {schema}.workflow_signals (
    run     uuid        NOT NULL,
    name    text        NOT NULL,
    value   json        NOT NULL,
    sent_at timestamptz NOT NULL DEFAULT now(),
    -- Nobody has looked yet whether its step waits for it.
    unseen  boolean     NOT NULL DEFAULT true,
    CONSTRAINT workflow_signals_pkey PRIMARY KEY (run, name)
);

CREATE INDEX workflow_signals_unseen ON {schema}.workflow_signals (run) WHERE unseen;

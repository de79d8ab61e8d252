-- Schedules, and the fires that have been pushed.

CREATE TABLE {schema}.cron_schedules (
    name          text             NOT NULL,
    cron          text             NOT NULL,
    timezone      text             NOT NULL,
    job           json             NOT NULL,
    queue         text             NOT NULL,
    missed        text             NOT NULL,
    missed_max    integer          NOT NULL,
    jitter_s      double precision NOT NULL,
    overlap       boolean          NOT NULL,
    paused        boolean          NOT NULL DEFAULT false,
    -- The next time to be fired. NULL: there is none any more.
    next_at       timestamptz,
    -- When a tick looks at it next: at next_at, or later after a failure, so that one schedule that cannot be fired
    -- does not keep the others waiting.
    wake_at       timestamptz,
    last_fired_at timestamptz,
    last_job      text,
    last_error    text,
    -- Who declared it: the settings of the plugin (and in whose name), or code.
    source        text             NOT NULL,
    owner         text             NOT NULL DEFAULT '',
    created_at    timestamptz      NOT NULL DEFAULT now(),
    CONSTRAINT cron_schedules_pkey PRIMARY KEY (name),
    CONSTRAINT cron_schedules_missed CHECK (missed IN ('skip', 'once', 'all')),
    CONSTRAINT cron_schedules_missed_max CHECK (missed_max >= 1),
    CONSTRAINT cron_schedules_jitter_s CHECK (jitter_s >= 0),
    CONSTRAINT cron_schedules_source CHECK (source IN ('toml', 'code'))
) WITH (
    -- Every fire updates its row, in place where the page has room.
    fillfactor = 50,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_scale_factor = 0
);

-- any_due, lock_due
CREATE INDEX cron_schedules_due ON {schema}.cron_schedules (wake_at) WHERE NOT paused;

-- What makes a fire happen once: its key is inserted in the transaction that pushes its job. Without a reference to the
-- schedule, so that one that is removed and declared again does not repeat itself.
CREATE TABLE {schema}.cron_fires (
    schedule  text        NOT NULL,
    fire_at   timestamptz NOT NULL,
    pushed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT cron_fires_pkey PRIMARY KEY (schedule, fire_at)
);

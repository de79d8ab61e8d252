-- When jobs of queues with a rate limit were started: what counts in their windows.
CREATE TABLE {schema}.limits_starts (
    queue text        NOT NULL,
    -- Rounded up to a part of the queue's window, so that a window is a few hundred rows at most.
    at    timestamptz NOT NULL,
    count integer     NOT NULL,
    CONSTRAINT limits_starts_pkey PRIMARY KEY (queue, at),
    CONSTRAINT limits_starts_count CHECK (count >= 1)
) WITH (
    -- Rows live for a window or two: vacuum by count, as the jobs themselves.
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 0
);

-- Declare a queue. `upsert` replaces how an existing one runs its jobs; whether it is paused stays as it is.
--
-- name, concurrency, tags, executor, executor_options, polling_interval, state, resume_at, rate_limit,
-- rate_limit_window, global_concurrency
-- configured   text      what the settings say of it; NULL: nothing
-- upsert       boolean
-- if_changed   boolean   only if the settings say something else than when they were last applied
--
-- Returns the queue as it now stands; no row if it existed and was left as it is.
INSERT INTO {schema}.queues AS queue (
    name, concurrency, tags, executor, executor_options, polling_interval, state, resume_at, rate_limit,
    rate_limit_window, global_concurrency, configured, paused_at, paused_by
)
VALUES (
    %(name)s, %(concurrency)s, %(tags)s, %(executor)s, %(executor_options)s::json, %(polling_interval)s, %(state)s,
    %(resume_at)s, %(rate_limit)s, %(rate_limit_window)s, %(global_concurrency)s, %(configured)s,
    CASE WHEN %(state)s = 'paused' THEN clock_timestamp() END, CASE WHEN %(state)s = 'paused' THEN 'its declaration' END
)
ON CONFLICT (name) DO UPDATE
SET concurrency = excluded.concurrency,
    tags = excluded.tags,
    executor = excluded.executor,
    executor_options = excluded.executor_options,
    polling_interval = excluded.polling_interval,
    rate_limit = excluded.rate_limit,
    rate_limit_window = excluded.rate_limit_window,
    global_concurrency = excluded.global_concurrency,
    configured = coalesce(excluded.configured, queue.configured)
WHERE %(upsert)s AND (NOT %(if_changed)s OR queue.configured IS DISTINCT FROM excluded.configured)
RETURNING name, concurrency, tags, executor, executor_options::text, polling_interval, state, resume_at, rate_limit,
          rate_limit_window, global_concurrency

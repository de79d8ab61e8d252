-- Declare a queue. `upsert` replaces how an existing one runs its jobs; whether it is paused stays as it is.
--
-- name, concurrency, tags, executor, executor_options, polling_interval, state, resume_at; upsert boolean
--
-- Returns the queue as it now stands; no row if it existed and `upsert` is false.
INSERT INTO {schema}.queues AS queue (
    name, concurrency, tags, executor, executor_options, polling_interval, state, resume_at
)
VALUES (
    %(name)s, %(concurrency)s, %(tags)s, %(executor)s, %(executor_options)s::json, %(polling_interval)s, %(state)s,
    %(resume_at)s
)
ON CONFLICT (name) DO UPDATE
SET concurrency = excluded.concurrency,
    tags = excluded.tags,
    executor = excluded.executor,
    executor_options = excluded.executor_options,
    polling_interval = excluded.polling_interval
WHERE %(upsert)s
RETURNING name, concurrency, tags, executor, executor_options::text, polling_interval, state, resume_at

-- Cancel up to {limit} jobs of a queue that are not running. Returns their ids.
--
-- name    text
-- limit   integer
-- note    text
WITH gone AS (
    DELETE FROM {schema}.jobs
    WHERE id = ANY (ARRAY(
        SELECT id FROM {schema}.jobs
        WHERE queue = %(name)s AND state IN ('scheduled', 'pending', 'retrying')
        ORDER BY id
        LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ))
    RETURNING *
),
kept AS (
    INSERT INTO {schema}.finished_jobs (
        id, queue, func, priority, max_attempts, attempts, claims, created_at, scheduled_at, started_at, worker,
        unique_key, kwargs, meta, limits, options, expires_at, progress, state, errors, note
    )
    SELECT id, queue, func, priority, max_attempts, attempts, claims, created_at, scheduled_at, started_at, worker,
           unique_key, kwargs, meta, limits, options, expires_at, progress, 'cancelled', errors, %(note)s
    FROM gone
)
SELECT id FROM gone

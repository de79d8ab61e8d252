-- Cancel up to {limit} jobs of a queue that are not running. Returns (id, unheard), unheard being whether a plugin
-- waits to be told of it (see ended).
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
),
deaf AS (
    SELECT array_agg(plugin) AS plugins FROM {schema}.listeners
),
unheard AS (
    INSERT INTO {schema}.ended (plugin, id, claims, queue, func, state, how, attempts, unique_key, note, meta)
    SELECT plugin, id, claims, queue, func, 'cancelled', 'purge', attempts, unique_key, %(note)s, meta
    FROM unnest((SELECT plugins FROM deaf)) AS asked (plugin), gone
    -- Asked once, before anything is read: without a listener this costs nothing.
    WHERE (SELECT plugins IS NOT NULL FROM deaf)
)
SELECT id, (SELECT plugins IS NOT NULL FROM deaf) AS unheard FROM gone

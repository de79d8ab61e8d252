-- Cancel up to {limit} jobs of a queue that are not running.
--
-- name    text
-- limit   integer
-- note    text
-- here    text[]    the plugins that will be told of it in this transaction; other listeners get a row in ended
--
-- Returns (id, claims, queue, func, state, how, attempts, unique_key, note, meta, at, unheard). From claims to at it is what a
-- plugin is told, meta only if somebody is here; unheard is whether other plugins wait to be told of it.
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
           coalesce(unique_key, waiting_key), kwargs, meta, limits, options, expires_at, progress, 'cancelled', errors, %(note)s
    FROM gone
),
deaf AS (
    SELECT array_agg(plugin) AS plugins FROM {schema}.listeners
    WHERE plugin <> ALL (%(here)s::text[])
),
unheard AS (
    INSERT INTO {schema}.ended (plugin, id, claims, queue, func, state, how, attempts, unique_key, note, meta)
    SELECT plugin, id, claims, queue, func, 'cancelled', 'purge', attempts, coalesce(unique_key, waiting_key), %(note)s, meta
    FROM unnest((SELECT plugins FROM deaf)) AS asked (plugin), gone
    -- Asked once, before anything is read: without a listener this costs nothing.
    WHERE (SELECT plugins IS NOT NULL FROM deaf)
)
SELECT id, claims, queue, func, 'cancelled' AS state, 'purge' AS how, attempts,
       coalesce(unique_key, waiting_key) AS unique_key, %(note)s::text AS note,
       CASE WHEN %(here)s::text[] <> '{}' THEN meta::text END AS meta, now() AS at,
       (SELECT plugins IS NOT NULL FROM deaf) AS unheard
FROM gone

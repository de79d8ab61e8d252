-- Cancel jobs: those that do not run are cancelled at once, those that run are marked for their workers.
--
-- ids      uuid[]
-- states   text[]      only jobs that are in this state, one for each id …
-- claims   integer[]   … and have been claimed so often; NULL, both: however they are
-- note     text        why
-- here     text[]      the plugins that will be told of it in this transaction; other listeners get a row in ended
--
-- Returns (id, what, worker, claims, queue, func, state, how, attempts, unique_key, note, meta, at, unheard), what being
-- cancelled, stopping or finished. From claims to at it is what a plugin is told, NULL for a job that was not cancelled at
-- once, and queue, func, key, note, meta and at only if somebody is here; unheard is whether other plugins wait to be told of it. Nothing for a job that is
-- nowhere, or that was on its way from one table to the other just then. Uses jobs_pkey; why through ANY is explained in
-- finish_jobs.
WITH asked AS (
    SELECT id, state
    FROM {schema}.jobs
    WHERE id = ANY (%(ids)s)
      AND (%(states)s::text[] IS NULL OR (id, state, claims) IN (
          SELECT * FROM unnest(%(ids)s::uuid[], %(states)s::text[], %(claims)s::integer[])
      ))
    ORDER BY id
    FOR UPDATE
),
gone AS (
    DELETE FROM {schema}.jobs
    USING asked
    WHERE jobs.id = ANY (ARRAY[asked.id]) AND asked.state <> 'running'
    RETURNING jobs.*
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
    SELECT plugin, id, claims, queue, func, 'cancelled', 'cancel', attempts, coalesce(unique_key, waiting_key), %(note)s, meta
    FROM unnest((SELECT plugins FROM deaf)) AS asked (plugin), gone
    -- Asked once, before anything is read: without a listener this costs nothing.
    WHERE (SELECT plugins IS NOT NULL FROM deaf)
),
told AS (
    UPDATE {schema}.jobs
    SET cancel_note = %(note)s
    FROM asked
    WHERE jobs.id = ANY (ARRAY[asked.id]) AND asked.state = 'running'
    RETURNING jobs.id, jobs.worker
)
SELECT id, 'cancelled' AS what, NULL AS worker,
       claims,
       CASE WHEN %(here)s::text[] <> '{}' THEN queue END AS queue,
       CASE WHEN %(here)s::text[] <> '{}' THEN func END AS func,
       'cancelled' AS state, 'cancel' AS how, attempts,
       CASE WHEN %(here)s::text[] <> '{}' THEN coalesce(unique_key, waiting_key) END AS unique_key,
       CASE WHEN %(here)s::text[] <> '{}' THEN %(note)s::text END AS note,
       CASE WHEN %(here)s::text[] <> '{}' THEN meta::text END AS meta,
       CASE WHEN %(here)s::text[] <> '{}' THEN now() END AS at,
       (SELECT plugins IS NOT NULL FROM deaf) AS unheard
FROM gone
UNION ALL
SELECT id, 'stopping', worker, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false FROM told
UNION ALL
SELECT id, 'finished', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false
FROM {schema}.finished_jobs
WHERE id = ANY (%(ids)s)

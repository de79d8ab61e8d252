-- As promote_jobs, for jobs that are named, after some that were not named could not be promoted together. Those that have
-- no attempt left, which only somebody else can have written, fail: no claim could ever start them.
--
-- ids   uuid[]
--
-- Returns (queue, runnable, id, unheard), one row a job, unheard being whether a plugin waits to be told of it (see ended). Uses jobs_pkey; why through ANY is explained in finish_jobs.
WITH due AS (
    -- Whether they are due is asked of what was found: as a condition it would offer jobs_due as another way to them.
    SELECT id, state IN ('scheduled', 'retrying') AND scheduled_at <= now() AS waits, attempts < max_attempts AS runnable
    FROM {schema}.jobs
    WHERE id = ANY (%(ids)s::uuid[])
    FOR UPDATE SKIP LOCKED
),
back AS (
    UPDATE {schema}.jobs
    SET state = 'pending'
    WHERE id = ANY (ARRAY(SELECT id FROM due WHERE waits AND runnable))
    RETURNING queue, id
),
gone AS (
    DELETE FROM {schema}.jobs
    WHERE id = ANY (ARRAY(SELECT id FROM due WHERE waits AND NOT runnable))
    RETURNING *
),
kept AS (
    INSERT INTO {schema}.finished_jobs (
        id, queue, func, priority, max_attempts, attempts, claims, created_at, scheduled_at, started_at, worker,
        unique_key, kwargs, meta, limits, options, expires_at, progress, state, errors, note
    )
    SELECT id, queue, func, priority, max_attempts, attempts, claims, created_at, scheduled_at, started_at, worker,
           coalesce(unique_key, waiting_key), kwargs, meta, limits, options, expires_at, progress, 'failed', errors,
           'It was due although its attempts were used up (attempts = max_attempts), so nothing could start it.'
    FROM gone
),
deaf AS (
    SELECT array_agg(plugin) AS plugins FROM {schema}.listeners
),
unheard AS (
    INSERT INTO {schema}.ended (plugin, id, claims, queue, func, state, how, attempts, unique_key, note, meta)
    SELECT plugin, id, claims, queue, func, 'failed', 'used_up', attempts, coalesce(unique_key, waiting_key), 
           'It was due although its attempts were used up (attempts = max_attempts), so nothing could start it.', meta
    FROM unnest((SELECT plugins FROM deaf)) AS asked (plugin), gone
    -- Asked once, before anything is read: without a listener this costs nothing.
    WHERE (SELECT plugins IS NOT NULL FROM deaf)
)
SELECT queue, true AS runnable, id, false AS unheard FROM back
UNION ALL
SELECT queue, false, id, (SELECT plugins IS NOT NULL FROM deaf) AS unheard FROM gone

-- As sweep_jobs, for jobs that are named, after some that were not named could not be cancelled together.
--
-- ids   uuid[]
--
-- Returns (id, queue, expired, unheard), unheard being whether a plugin waits to be told of it (see ended). Uses jobs_pkey; why through ANY is explained in finish_jobs.
WITH over AS (
    -- Asked of what was found, as in promote_these.
    SELECT id, worker IS NULL AND (cancel_note IS NOT NULL OR expires_at <= now() AND attempts = 0) AS ended
    FROM {schema}.jobs
    WHERE id = ANY (%(ids)s::uuid[])
    FOR UPDATE SKIP LOCKED
),
gone AS (
    DELETE FROM {schema}.jobs
    WHERE id = ANY (ARRAY(SELECT id FROM over WHERE ended))
    RETURNING *, coalesce(
        cancel_note,
        -- A run that was handed back, or snoozed, has spent no attempt.
        CASE WHEN claims = 0 THEN 'It was not started before it expired.'
             ELSE 'It expired before it was started again.' END
    ) AS ended_note
),
kept AS (
    INSERT INTO {schema}.finished_jobs (
        id, queue, func, priority, max_attempts, attempts, claims, created_at, scheduled_at, started_at, worker,
        unique_key, kwargs, meta, limits, options, expires_at, progress, state, errors, note
    )
    SELECT id, queue, func, priority, max_attempts, attempts, claims, created_at, scheduled_at, started_at, worker,
           coalesce(unique_key, waiting_key), kwargs, meta, limits, options, expires_at, progress, 'cancelled', errors, ended_note
    FROM gone
),
deaf AS (
    SELECT array_agg(plugin) AS plugins FROM {schema}.listeners
),
unheard AS (
    INSERT INTO {schema}.ended (plugin, id, claims, queue, func, state, how, attempts, unique_key, note, meta)
    SELECT plugin, id, claims, queue, func, 'cancelled', CASE WHEN cancel_note IS NULL THEN 'expiry' ELSE 'cancel' END, attempts, coalesce(unique_key, waiting_key), ended_note, meta
    FROM unnest((SELECT plugins FROM deaf)) AS asked (plugin), gone
    -- Asked once, before anything is read: without a listener this costs nothing.
    WHERE (SELECT plugins IS NOT NULL FROM deaf)
)
SELECT id, queue, cancel_note IS NULL AS expired, (SELECT plugins IS NOT NULL FROM deaf) AS unheard FROM gone

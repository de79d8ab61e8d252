-- Take back up to {limit} running jobs of workers that are gone: their lease ran out, or they have no row at all.
--
-- me       text               the worker that asks: whoever can ask is not lost
-- orphans  boolean            also those whose worker has no row at all: somebody deleted that, and it may come back
-- limit    integer
-- only     uuid[]             these and no others; NULL: whichever there are
-- grace_s  double precision   how long the server must have been up: after a restart every lease looks old (a start that
--                             lies ahead means that the clock was set back since)
-- error    text               JSON object of the error to append; its attempt and worker are filled in here
-- note     text
--
-- Leases are compared with the time at which this began: if it waited for a lock, others may have renewed theirs since.
-- The attempt stays spent. With attempts left the job is runnable at once; without, it fails, and says why.
-- Returns (id, queue, state, unheard), unheard being whether a plugin waits to be told of it (see ended). Uses jobs_running,
-- in whose order it looks: asked for the order of ids, the planner walks along jobs_pkey at some sizes, over every job that
-- waits. Then jobs_pkey; why through ANY is explained in finish_jobs.
WITH lost AS (
    SELECT id
    FROM {schema}.jobs
    WHERE state = 'running'
      AND NOT EXISTS (
          SELECT FROM {schema}.workers WHERE workers.worker = jobs.worker AND lease_until > now()
      )
      AND worker <> %(me)s
      AND (%(orphans)s OR EXISTS (SELECT FROM {schema}.workers WHERE workers.worker = jobs.worker))
      AND NOT now() BETWEEN pg_postmaster_start_time()
                         AND pg_postmaster_start_time() + make_interval(secs => %(grace_s)s)
      AND (%(only)s::uuid[] IS NULL OR id = ANY (%(only)s))
    ORDER BY worker
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
),
told AS (
    SELECT jobs.id,
           coalesce(errors, '[]')
               || (%(error)s::jsonb || jsonb_build_object('attempt', attempts, 'worker', jobs.worker, 'at', now()))
           AS errors
    FROM {schema}.jobs
    WHERE jobs.id = ANY (ARRAY(SELECT id FROM lost))
),
gone AS (
    DELETE FROM {schema}.jobs
    USING told
    WHERE jobs.id = ANY (ARRAY[told.id]) AND jobs.attempts >= jobs.max_attempts
    RETURNING jobs.*, told.errors AS all_errors
),
kept AS (
    INSERT INTO {schema}.finished_jobs (
        id, queue, func, priority, max_attempts, attempts, claims, created_at, scheduled_at, started_at, worker,
        unique_key, kwargs, meta, limits, options, expires_at, progress, state, errors, note
    )
    SELECT id, queue, func, priority, max_attempts, attempts, claims, created_at, scheduled_at, started_at, worker,
           coalesce(unique_key, waiting_key), kwargs, meta, limits, options, expires_at, progress, 'failed', all_errors, %(note)s
    FROM gone
),
deaf AS (
    SELECT array_agg(plugin) AS plugins FROM {schema}.listeners
),
unheard AS (
    INSERT INTO {schema}.ended (plugin, id, claims, queue, func, state, how, attempts, unique_key, note, meta)
    SELECT plugin, id, claims, queue, func, 'failed', 'rescue', attempts, coalesce(unique_key, waiting_key), %(note)s, meta
    FROM unnest((SELECT plugins FROM deaf)) AS asked (plugin), gone
    -- Asked once, before anything is read: without a listener this costs nothing.
    WHERE (SELECT plugins IS NOT NULL FROM deaf)
),
back AS (
    UPDATE {schema}.jobs
    SET state = 'pending', worker = NULL, errors = told.errors, note = %(note)s
    FROM told
    WHERE jobs.id = ANY (ARRAY[told.id]) AND jobs.attempts < jobs.max_attempts
    RETURNING jobs.id, jobs.queue
)
SELECT id, queue, 'failed' AS state, (SELECT plugins IS NOT NULL FROM deaf) AS unheard FROM gone
UNION ALL
SELECT id, queue, 'pending', false FROM back

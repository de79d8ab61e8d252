-- Record the outcomes of runs that ended a job: each moves from jobs to finished_jobs.
--
-- id       uuid[]      sorted, so that all who lock several rows lock them in one order
-- claims   integer[]   the fence: a run that is no longer the job's latest records nothing
-- state    text[]      succeeded, failed or cancelled
-- result   text[]      JSON, or NULL
-- errors   text[]      JSON of all attempts' errors, or NULL for none
-- note     text[]
-- run_s    real[]      seconds that the run took
-- peak     bigint[]    bytes that it held at most, or NULL
-- meta     text[]      JSON of the job's meta where the run changed it, or NULL
--
-- The moments are written as now(), and not left to the columns' defaults, which are the same: a test may let its session see
-- another now().
--
-- Returns the ids it accepted, and a NULL if there are listeners, which have got a row in ended for each end.
--
-- The good plan looks up each outcome's job by its id, in the primary key (jobs_pkey). There are three bad plans, and each
-- costs as much as the table is large. The planner chooses them when its statistics are from another hour, as those of a
-- queue always are. So the statement is written in a way that leaves none of the three open:
--
-- * It reads the whole table into a hash and looks the outcomes up in there. It does so at some table sizes when it knows
--   how long the arrays are. The arrays stand in sub-selects, of which it does not know the length.
-- * It reads all running jobs by the index jobs_running and compares each with each outcome. It can do so when the
--   statement says `state = 'running'`. The statement says `worker IS NOT NULL` instead, which is true of the same rows
--   (the constraint jobs_running sees to that) and of which no index knows.
-- * It walks along the whole primary key beside the sorted outcomes. It can do so when the statement says
--   `jobs.id = outcome.id`. With `= ANY (ARRAY[outcome.id])`, which means the same, it cannot.
WITH outcome AS (
    SELECT *
    FROM unnest(
        (SELECT %(id)s::uuid[]), (SELECT %(claims)s::integer[]), (SELECT %(state)s::text[]),
        (SELECT %(result)b::text[]), (SELECT %(errors)b::text[]), (SELECT %(note)b::text[]),
        (SELECT %(run_s)s::real[]), (SELECT %(peak)s::bigint[]), (SELECT %(meta)b::text[])
    ) AS given (id, claims, state, result, errors, note, run_s, peak, meta)
),
gone AS (
    DELETE FROM {schema}.jobs
    USING outcome
    WHERE jobs.id = ANY (ARRAY[outcome.id]) AND jobs.claims = outcome.claims AND jobs.worker IS NOT NULL
    RETURNING jobs.id, jobs.queue, jobs.func, jobs.priority, jobs.max_attempts, jobs.attempts, jobs.claims,
              jobs.created_at, jobs.scheduled_at, jobs.started_at, jobs.worker,
              coalesce(jobs.unique_key, jobs.waiting_key) AS unique_key,
              jobs.kwargs, jobs.meta, jobs.limits, jobs.options, jobs.expires_at, jobs.progress, jobs.cancel_note,
              outcome.state AS outcome, outcome.result, outcome.errors AS all_errors, outcome.note AS outcome_note,
              outcome.run_s, outcome.peak, outcome.meta AS outcome_meta
),
kept AS (
    INSERT INTO {schema}.finished_jobs (
        id, queue, func, priority, max_attempts, attempts, claims, created_at, scheduled_at, started_at, worker,
        unique_key, kwargs, meta, limits, options, expires_at, progress, state, result, errors, note, run_s, peak_bytes,
        finished_at
    )
    SELECT id, queue, func, priority, max_attempts, attempts, claims, created_at, scheduled_at, started_at, worker,
           unique_key, kwargs, coalesce(outcome_meta::json, meta), limits, options, expires_at, progress, outcome,
           result::json, all_errors::jsonb,
           CASE WHEN outcome = 'cancelled' THEN coalesce(cancel_note, outcome_note) ELSE outcome_note END,
           run_s, peak, now()
    FROM gone
),
deaf AS (
    SELECT array_agg(plugin) AS plugins FROM {schema}.listeners
),
unheard AS (
    INSERT INTO {schema}.ended (plugin, id, claims, queue, func, state, how, attempts, unique_key, note, meta, at)
    SELECT plugin, id, claims, queue, func, outcome, 'run', attempts, unique_key,
           CASE WHEN outcome = 'cancelled' THEN coalesce(cancel_note, outcome_note) ELSE outcome_note END,
           coalesce(outcome_meta::json, meta), now()
    FROM unnest((SELECT plugins FROM deaf)) AS asked (plugin), gone
    -- Asked once, before anything is read: without a listener this costs nothing.
    WHERE (SELECT plugins IS NOT NULL FROM deaf)
)
SELECT id FROM gone
UNION ALL
SELECT NULL FROM deaf WHERE plugins IS NOT NULL

-- Record the outcome of a run that ended a job, as finish_jobs does, but leave out what the job was pushed with (kwargs,
-- meta, limits, options) and its progress: for a job that the database takes in no other form, because an index or a
-- trigger of somebody's refuses one of these values.
--
-- Parameters, result and index as for finish_jobs.
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
        unique_key, kwargs, meta, limits, options, expires_at, progress, state, result, errors, note, run_s, peak_bytes
    )
    SELECT id, queue, func, priority, max_attempts, attempts, claims, created_at, scheduled_at, started_at, worker,
           unique_key, NULL, NULL, NULL, NULL, expires_at, NULL, outcome,
           result::json, all_errors::jsonb,
           CASE WHEN outcome = 'cancelled' THEN coalesce(cancel_note, outcome_note) ELSE outcome_note END,
           run_s, peak
    FROM gone
),
deaf AS (
    SELECT array_agg(plugin) AS plugins FROM {schema}.listeners
),
unheard AS (
    INSERT INTO {schema}.ended (plugin, id, claims, queue, func, state, how, attempts, unique_key, note, meta)
    SELECT plugin, id, claims, queue, func, outcome, 'run', attempts, unique_key,
           CASE WHEN outcome = 'cancelled' THEN coalesce(cancel_note, outcome_note) ELSE outcome_note END,
           meta
    FROM unnest((SELECT plugins FROM deaf)) AS asked (plugin), gone
    -- Asked once, before anything is read: without a listener this costs nothing.
    WHERE (SELECT plugins IS NOT NULL FROM deaf)
)
SELECT id FROM gone
UNION ALL
SELECT NULL FROM deaf WHERE plugins IS NOT NULL

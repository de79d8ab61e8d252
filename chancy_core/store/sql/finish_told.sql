-- As finish_jobs, for a worker that has plugins which hear of the ends of jobs: it tells them in this transaction.
--
-- here     text[]      the plugins that will be told; other listeners get a row in ended
--
-- The other parameters and the index are those of finish_jobs.
-- Returns (id, place, note, meta, unheard) of the outcomes that it accepted: place is its place in the arrays, counted from 1;
-- note and meta are what a plugin is told; unheard is whether there are listeners that are not here.
WITH outcome AS (
    SELECT *
    FROM unnest(
        (SELECT %(id)s::uuid[]), (SELECT %(claims)s::integer[]), (SELECT %(state)s::text[]),
        (SELECT %(result)b::text[]), (SELECT %(errors)b::text[]), (SELECT %(note)b::text[]),
        (SELECT %(run_s)s::real[]), (SELECT %(peak)s::bigint[]), (SELECT %(meta)b::text[])
    ) WITH ORDINALITY AS given (id, claims, state, result, errors, note, run_s, peak, meta, place)
),
gone AS (
    DELETE FROM {schema}.jobs
    USING outcome
    WHERE jobs.id = ANY (ARRAY[outcome.id]) AND jobs.claims = outcome.claims AND jobs.worker IS NOT NULL
    RETURNING jobs.id, jobs.queue, jobs.func, jobs.priority, jobs.max_attempts, jobs.attempts, jobs.claims,
              jobs.created_at, jobs.scheduled_at, jobs.started_at, jobs.worker,
              coalesce(jobs.unique_key, jobs.waiting_key) AS unique_key,
              jobs.kwargs, jobs.meta, jobs.limits, jobs.options, jobs.expires_at, jobs.progress, jobs.cancel_note,
              outcome.state AS outcome, outcome.result, outcome.errors AS all_errors, outcome.run_s, outcome.peak,
              outcome.meta AS outcome_meta,
              CASE WHEN outcome.state = 'cancelled' THEN coalesce(jobs.cancel_note, outcome.note) ELSE outcome.note END
                  AS ended_note,
              outcome.place
),
kept AS (
    INSERT INTO {schema}.finished_jobs (
        id, queue, func, priority, max_attempts, attempts, claims, created_at, scheduled_at, started_at, worker,
        unique_key, kwargs, meta, limits, options, expires_at, progress, state, result, errors, note, run_s, peak_bytes,
        finished_at
    )
    SELECT id, queue, func, priority, max_attempts, attempts, claims, created_at, scheduled_at, started_at, worker,
           unique_key, kwargs, coalesce(outcome_meta::json, meta), limits, options, expires_at, progress, outcome,
           result::json, all_errors::jsonb, ended_note, run_s, peak, now()
    FROM gone
),
deaf AS (
    SELECT array_agg(plugin) AS plugins FROM {schema}.listeners
    WHERE plugin <> ALL (%(here)s::text[])
),
unheard AS (
    INSERT INTO {schema}.ended (plugin, id, claims, queue, func, state, how, attempts, unique_key, note, meta, at)
    SELECT plugin, id, claims, queue, func, outcome, 'run', attempts, unique_key, ended_note,
           coalesce(outcome_meta::json, meta), now()
    FROM unnest((SELECT plugins FROM deaf)) AS asked (plugin), gone
    -- Asked once, before anything is read: without a listener this costs nothing.
    WHERE (SELECT plugins IS NOT NULL FROM deaf)
)
SELECT id, place, ended_note AS note, coalesce(outcome_meta, meta::text) AS meta,
       (SELECT plugins IS NOT NULL FROM deaf) AS unheard
FROM gone

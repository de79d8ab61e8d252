-- Give runs back that did not end their job: a retry after its backoff, or a hand-back at once.
--
-- id       uuid[]              sorted
-- claims   integer[]           the fence, as in finish_jobs
-- delay_s  double precision[]  seconds until it is due again; NULL: it is runnable now
-- refund   integer[]           1 gives the attempt back, 0 leaves it spent
-- errors   text[]              JSON of all attempts' errors; NULL leaves them as they are
-- note     text[]
-- meta     text[]              JSON of the job's meta where the run changed it, or NULL
-- options  text[]              JSON of the job's options where they changed, or NULL
--
-- Returns (id, cancelled) of those it accepted; a cancelled one is to be swept, not run. How it finds the rows is explained in finish_jobs; uses jobs_pkey.
WITH outcome AS (
    SELECT *
    FROM unnest(
        (SELECT %(id)s::uuid[]), (SELECT %(claims)s::integer[]), (SELECT %(delay_s)s::double precision[]),
        (SELECT %(refund)s::integer[]), (SELECT %(errors)b::text[]), (SELECT %(note)b::text[]),
        (SELECT %(meta)b::text[]), (SELECT %(options)b::text[])
    ) AS given (id, claims, delay_s, refund, errors, note, meta, options)
)
UPDATE {schema}.jobs
SET state = CASE WHEN outcome.delay_s IS NULL THEN 'pending' ELSE 'retrying' END,
    scheduled_at = coalesce(now() + make_interval(secs => outcome.delay_s), jobs.scheduled_at),
    attempts = jobs.attempts - outcome.refund,
    errors = coalesce(outcome.errors::jsonb, jobs.errors),
    note = outcome.note,
    meta = coalesce(outcome.meta::json, jobs.meta),
    options = coalesce(outcome.options::json, jobs.options),
    worker = NULL
FROM outcome
WHERE jobs.id = ANY (ARRAY[outcome.id]) AND jobs.claims = outcome.claims AND jobs.worker IS NOT NULL
RETURNING jobs.id, jobs.cancel_note IS NOT NULL AS cancelled

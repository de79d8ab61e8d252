-- Jobs have ended: so have the steps that were waiting for them. What they returned is copied, so that pruning hurts no run.
--
-- ids     uuid[]          the jobs
-- states  text[]          of each the state that its step has by that
-- notes   text[]          of each what there is to say about it, or NULL
-- ats     timestamptz[]   of each when
-- since   timestamptz     none of them ended before, so that older partitions are not looked into
--
-- Returns (run, n, kind, scope, state) of those steps. A step whose job has been told of before has another state by now.
-- Uses workflow_steps_job and finished_jobs_id, of the partitions of one outcome.
--
-- The bad plan reads every step that was pushed, and compares each with each of these jobs. OFFSET keeps the planner from it:
-- what is behind it is looked up for one job at a time, and the row that was found is written where it lies.
WITH ended AS (
    SELECT id, state, note, at
    FROM unnest(%(ids)s::uuid[], %(states)s::text[], %(notes)s::text[], %(ats)s::timestamptz[]) AS given (id, state, note, at)
),
known AS MATERIALIZED (
    SELECT ended.*, finished.result, finished.error_type, finished.error_message, finished.there
    FROM ended
    LEFT JOIN LATERAL (
        SELECT result, error_type, error_message, true AS there
        FROM {schema}.finished_jobs_v1
        WHERE finished_jobs_v1.id = ended.id AND finished_at >= %(since)s::timestamptz
          AND finished_jobs_v1.state = CASE ended.state WHEN 'expired' THEN 'cancelled' ELSE ended.state END
        LIMIT 1
    ) AS finished ON true
)
UPDATE {schema}.workflow_steps AS step
SET state = known.state,
    ended_at = coalesce(known.at, now()),
    result = CASE WHEN known.state = 'succeeded' THEN known.result END,
    note = left(
        coalesce(
            CASE WHEN known.state = 'failed' THEN nullif(concat_ws(': ', known.error_type, known.error_message), '') END,
            known.note,
            CASE WHEN known.state = 'succeeded' AND known.there IS NULL THEN 'Its result was pruned before it was read.' END
        ),
        2000
    ),
    stopped = false,
    missed_at = NULL
FROM known
CROSS JOIN LATERAL (
    SELECT ctid AS place FROM {schema}.workflow_steps WHERE job_id = known.id AND state = 'pushed' OFFSET 0
) AS mine
WHERE step.ctid = mine.place
RETURNING step.run::text, step.n, step.kind, step.scope, step.state

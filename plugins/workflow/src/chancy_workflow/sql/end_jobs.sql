-- Jobs have ended: so have the steps that were waiting for them. What they returned is copied, so that pruning hurts no run.
--
-- ended  json          an array of objects: id, state as a step has it, note, at
-- since  timestamptz   none of them ended before, so that older partitions are not looked into
--
-- Returns (run, n, kind, scope, state) of those steps. A step whose job has been told of before has another state by now.
-- Uses workflow_steps_job, workflow_steps_pkey and finished_jobs_id.
--
-- The bad plan reads every step that was pushed, and compares each with each of these jobs. OFFSET keeps the planner from it:
-- what is behind it is looked up for one job at a time. ANY does the same for the step.
WITH ended AS (
    SELECT id, state, note, at
    FROM json_to_recordset(%(ended)s::json) AS given (id uuid, state text, note text, at timestamptz)
),
known AS MATERIALIZED (
    SELECT ended.*, finished.result, finished.error_type, finished.error_message, finished.there
    FROM ended
    LEFT JOIN LATERAL (
        SELECT result, error_type, error_message, true AS there
        FROM {schema}.finished_jobs_v1
        WHERE finished_jobs_v1.id = ANY (ARRAY[ended.id]) AND finished_at >= %(since)s::timestamptz
        LIMIT 1
    ) AS finished ON true
)
UPDATE {schema}.workflow_steps AS step
SET state = known.state,
    ended_at = known.at,
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
    SELECT run, n FROM {schema}.workflow_steps WHERE job_id = known.id AND state = 'pushed' OFFSET 0
) AS mine
WHERE step.run = ANY (ARRAY[mine.run]) AND step.n = ANY (ARRAY[mine.n])
RETURNING step.run::text, step.n, step.kind, step.scope, step.state

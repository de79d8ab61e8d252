-- Set what became of steps. The runs must be locked.
--
-- steps  json   an array of objects with the columns below; due_s is how many seconds a signal is waited for
UPDATE {schema}.workflow_steps AS step
SET state = given.state,
    job_id = coalesce(given.job_id, step.job_id),
    result = given.result,
    note = given.note,
    need = coalesce(given.need, step.need),
    begun_at = CASE WHEN given.state IN ('pushed', 'open') THEN now() ELSE step.begun_at END,
    due_at = now() + make_interval(secs => given.due_s),
    ended_at = CASE WHEN given.state IN ('succeeded', 'failed', 'cancelled', 'expired', 'skipped') THEN now() END
FROM json_to_recordset(%(steps)s::json) AS given (
    run uuid, n integer, state text, job_id uuid, result json, note text, need integer, due_s double precision
)
WHERE step.run = ANY (ARRAY[given.run]) AND step.n = ANY (ARRAY[given.n])

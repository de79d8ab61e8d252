-- Set what became of steps. The runs must be locked. Uses workflow_steps_pkey, a row at a time; see end_jobs.
--
-- steps  json   an array of objects with the columns below; due_s is how many seconds a signal is waited for
UPDATE {schema}.workflow_steps AS step
SET state = given.state,
    result = given.result,
    note = given.note,
    need = coalesce(given.need, step.need),
    begun_at = CASE WHEN given.state = 'open' THEN now() ELSE step.begun_at END,
    due_at = now() + make_interval(secs => given.due_s),
    ended_at = CASE WHEN given.state IN ('succeeded', 'failed', 'cancelled', 'expired', 'skipped') THEN now() END
FROM json_to_recordset(%(steps)s::json) AS given (
    run uuid, n integer, state text, result json, note text, need integer, due_s double precision
)
CROSS JOIN LATERAL (
    SELECT ctid AS place FROM {schema}.workflow_steps WHERE run = given.run AND n = given.n OFFSET 0
) AS mine
WHERE step.ctid = mine.place

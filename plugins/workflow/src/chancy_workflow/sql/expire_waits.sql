-- Steps have waited for their signals long enough. The runs must be locked.
--
-- runs  uuid[]
--
-- Returns (run, n, kind, scope, state). Uses workflow_steps_due.
UPDATE {schema}.workflow_steps
SET state = 'expired', ended_at = now(), note = 'No signal came in time.'
WHERE run = ANY (%(runs)s::uuid[]) AND state = 'open' AND due_at <= now()
RETURNING run::text, n, kind, scope, state

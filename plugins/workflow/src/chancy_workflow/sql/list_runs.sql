-- Runs, the newest first: their ids are in the order of their times. Uses workflow_runs_pkey.
--
-- name   text      NULL: of every workflow
-- state  text      NULL: in every state
-- limit  integer
SELECT id::text, name, state, unique_key, stopping, note, attempt, size, unended, created_at, ended_at
FROM {schema}.workflow_runs
WHERE (%(name)s::text IS NULL OR name = %(name)s::text) AND (%(state)s::text IS NULL OR state = %(state)s::text)
ORDER BY id DESC
LIMIT %(limit)s::integer

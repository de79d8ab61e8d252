-- A run. Uses workflow_runs_pkey.
--
-- run  uuid
SELECT id::text, name, state, unique_key, stopping, note, attempt, past::text, created_at, ended_at, on_failure
FROM {schema}.workflow_runs
WHERE id = %(run)s::uuid

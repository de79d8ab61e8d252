-- The run with a key that is under way. Uses workflow_runs_unique_key.
--
-- unique_key  text
SELECT id::text FROM {schema}.workflow_runs WHERE unique_key = %(unique_key)s::text AND state = 'running'

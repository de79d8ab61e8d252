-- The steps of a run for whoever retries it. Uses workflow_steps_pkey.
--
-- run  uuid
SELECT n, name, kind, state, scope, max_in_flight, node::text
FROM {schema}.workflow_steps
WHERE run = %(run)s::uuid AND kind <> 'part'
ORDER BY n

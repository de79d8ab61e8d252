-- How many parts of each map of a run are in which state. Uses workflow_steps_parts.
--
-- run  uuid
SELECT scope, state, count(*)
FROM {schema}.workflow_steps
WHERE run = %(run)s::uuid AND kind = 'part'
GROUP BY scope, state
ORDER BY scope, state

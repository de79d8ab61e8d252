-- Steps that are left to be pushed. The runs must be locked.
--
-- runs   uuid[]
-- limit  integer
--
-- Returns (run, n, kind, scope, name, node). Uses workflow_steps_ready.
SELECT run::text, n, kind, scope, name, node::text
FROM {schema}.workflow_steps
WHERE run = ANY (%(runs)s::uuid[]) AND state = 'ready'
ORDER BY run, n
LIMIT %(limit)s::integer

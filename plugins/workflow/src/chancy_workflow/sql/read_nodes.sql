-- What steps are.
--
-- steps  json   an array of objects: run, n
--
-- Returns (run, n, scope, name, node). Uses workflow_steps_pkey.
SELECT step.run::text, step.n, step.scope, step.name, step.node::text
FROM json_to_recordset(%(steps)s::json) AS given (run uuid, n integer)
CROSS JOIN LATERAL (
    SELECT * FROM {schema}.workflow_steps WHERE run = given.run AND n = given.n OFFSET 0
) AS step

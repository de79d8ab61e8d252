-- Parts of maps have ended. The runs must be locked.
--
-- ended  json   an array of objects: run, n of the map, parts that have ended
--
-- Returns (run, n, need, max_in_flight, parts). Uses workflow_steps_pkey.
UPDATE {schema}.workflow_steps AS step
SET need = step.need - given.parts
FROM json_to_recordset(%(ended)s::json) AS given (run uuid, n integer, parts integer)
CROSS JOIN LATERAL (
    SELECT ctid AS place FROM {schema}.workflow_steps WHERE run = given.run AND n = given.n OFFSET 0
) AS mine
WHERE step.ctid = mine.place AND step.state = 'open'
RETURNING step.run::text, step.n, step.need, step.max_in_flight, given.parts

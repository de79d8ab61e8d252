-- The signals that have come for steps whose turn it is. The runs must be locked.
--
-- steps  json   an array of objects: run, name
--
-- Returns (run, name, value). Uses workflow_signals_pkey.
UPDATE {schema}.workflow_signals AS signal
SET unseen = false
FROM json_to_recordset(%(steps)s::json) AS given (run uuid, name text)
WHERE signal.run = given.run AND signal.name = given.name
RETURNING signal.run::text, signal.name, signal.value::text

-- Keep a signal. Uses workflow_signals_pkey.
--
-- run    uuid
-- name   text
-- value  json
--
-- Returns nothing if one was sent before.
INSERT INTO {schema}.workflow_signals (run, name, value)
VALUES (%(run)s::uuid, %(name)s::text, %(value)s::json)
ON CONFLICT (run, name) DO NOTHING
RETURNING name

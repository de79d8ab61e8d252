-- Keep a value of a job, unless one of that name is kept already. Uses workflow_kept_pkey.
--
-- job    uuid
-- name   text
-- value  json
--
-- Returns nothing if there was one.
INSERT INTO {schema}.workflow_kept (job, name, value)
VALUES (%(job)s::uuid, %(name)s::text, %(value)s::json)
ON CONFLICT (job, name) DO NOTHING
RETURNING name

-- Keep a value of a job in the place of the one of that name. Uses workflow_kept_pkey.
--
-- job    uuid
-- name   text
-- value  json
INSERT INTO {schema}.workflow_kept (job, name, value)
VALUES (%(job)s::uuid, %(name)s::text, %(value)s::json)
ON CONFLICT (job, name) DO UPDATE SET value = excluded.value, at = now()

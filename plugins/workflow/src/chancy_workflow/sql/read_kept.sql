-- A value that a job has kept. Uses workflow_kept_pkey.
--
-- job   uuid
-- name  text
SELECT value::text FROM {schema}.workflow_kept WHERE job = %(job)s::uuid AND name = %(name)s::text

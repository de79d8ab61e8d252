-- Steps of a run have so many others more to wait for. It must be locked. Uses workflow_steps_pkey.
--
-- run    uuid
-- steps  integer[]
-- count  integer
UPDATE {schema}.workflow_steps
SET need = need + %(count)s::integer
WHERE run = %(run)s::uuid AND n = ANY (%(steps)s::integer[]) AND state = 'waiting'

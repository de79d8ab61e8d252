-- A run has so many steps more. It must be locked. Uses workflow_runs_pkey.
--
-- run    uuid
-- count  integer
UPDATE {schema}.workflow_runs
SET size = size + %(count)s::integer, unended = unended + %(count)s::integer
WHERE id = %(run)s::uuid

-- The number of the next step of a run. It must be locked. Uses workflow_steps_pkey.
--
-- run  uuid
SELECT max(n) + 1 FROM {schema}.workflow_steps WHERE run = %(run)s::uuid

-- The steps of a run that wait for signals. Uses workflow_steps_name.
--
-- run  uuid
SELECT name FROM {schema}.workflow_steps WHERE run = %(run)s::uuid AND kind = 'wait' ORDER BY n

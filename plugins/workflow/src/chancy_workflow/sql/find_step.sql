-- A step of a run by its name. Uses workflow_steps_name.
--
-- run   uuid
-- name  text
SELECT n, state FROM {schema}.workflow_steps WHERE run = %(run)s::uuid AND name = %(name)s::text AND kind <> 'part'

-- Delete the parts of maps that are to be made anew. The run must be locked. Uses workflow_steps_parts.
--
-- run   uuid
-- maps  integer[]
DELETE FROM {schema}.workflow_steps
WHERE run = %(run)s::uuid AND kind = 'part' AND scope = ANY (%(maps)s::integer[])

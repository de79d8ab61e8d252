-- Let the parts of a map that did not succeed wait anew. The run must be locked. Uses workflow_steps_parts.
--
-- run  uuid
-- map  integer
--
-- Returns a row for each.
UPDATE {schema}.workflow_steps
SET state = 'waiting', job_id = NULL, note = NULL, begun_at = NULL, ended_at = NULL, stopped = false, missed_at = NULL
WHERE run = %(run)s::uuid AND scope = %(map)s::integer AND kind = 'part' AND state <> 'succeeded'
RETURNING n

-- A page of the jobs of a map, in order. Uses workflow_steps_name and workflow_steps_parts.
--
-- run    uuid
-- name   text      the map
-- state  text      NULL: in every state
-- begin  integer   so many of them are passed over
-- limit  integer
SELECT part.name, part.state, part.job_id::text, part.note, part.begun_at, part.ended_at
FROM {schema}.workflow_steps AS part
WHERE part.run = %(run)s::uuid AND part.kind = 'part'
  AND (%(state)s::text IS NULL OR part.state = %(state)s::text)
  AND part.scope = (
      SELECT n
      FROM {schema}.workflow_steps
      WHERE run = %(run)s::uuid AND name = %(name)s::text AND kind <> 'part'
  )
ORDER BY part.n
LIMIT %(limit)s::integer OFFSET %(begin)s::integer

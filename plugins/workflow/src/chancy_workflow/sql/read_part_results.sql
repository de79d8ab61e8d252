-- The results of the next parts of a map, in order, as JSON text. Uses workflow_steps_name and workflow_steps_parts.
--
-- run    uuid
-- name   text      the map
-- after  integer   the number of the last part before these
-- limit  integer
SELECT part.n, part.result::text
FROM {schema}.workflow_steps AS part
WHERE part.run = %(run)s::uuid AND part.kind = 'part' AND part.n > %(after)s::integer
  AND part.scope = (
      SELECT n
      FROM {schema}.workflow_steps
      WHERE run = %(run)s::uuid AND name = %(name)s::text AND kind <> 'part'
  )
ORDER BY part.n
LIMIT %(limit)s::integer

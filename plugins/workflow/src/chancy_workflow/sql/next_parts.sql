-- The next parts of a map are ready, because others have ended. The run must be locked.
--
-- run    uuid
-- map    integer
-- count  integer
--
-- Returns (n, name, node). Uses workflow_steps_parts.
WITH next AS (
    SELECT ctid AS place
    FROM {schema}.workflow_steps
    WHERE run = %(run)s::uuid AND scope = %(map)s::integer AND kind = 'part' AND state = 'waiting'
    ORDER BY n
    LIMIT %(count)s::integer
)
UPDATE {schema}.workflow_steps AS step
SET state = 'ready'
FROM next
WHERE step.ctid = next.place
RETURNING step.n, step.name, step.node::text

-- How the steps of an included workflow ended. A failure that a step which was not skipped comes after does not count.
--
-- run    uuid
-- group  integer
--
-- Returns (failed, cancelled, not skipped, how the first failed). Uses workflow_steps_pkey and workflow_edges_pkey.
WITH inside AS (
    SELECT step.n, step.name, step.state, step.note,
        step.state IN ('failed', 'expired', 'cancelled') AND NOT EXISTS (
            SELECT
            FROM {schema}.workflow_edges AS edge
            JOIN {schema}.workflow_steps AS handler ON handler.run = edge.run AND handler.n = edge.child
            WHERE edge.run = step.run AND edge.parent = step.n AND edge.on_end = 'failed' AND handler.state <> 'skipped'
        ) AS uncaught
    FROM {schema}.workflow_steps AS step
    WHERE step.run = %(run)s::uuid AND step.scope = %(group)s::integer AND step.kind NOT IN ('part', 'gate')
)
SELECT
    count(*) FILTER (WHERE uncaught AND state <> 'cancelled'),
    count(*) FILTER (WHERE uncaught AND state = 'cancelled'),
    count(*) FILTER (WHERE state <> 'skipped'),
    (array_agg(name || ': ' || coalesce(note, state) ORDER BY n) FILTER (WHERE uncaught))[1]
FROM inside

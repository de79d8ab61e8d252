-- Steps have ended: what comes after them is ready, or skipped, or waits for others still.
--
-- ended  json   an array of objects: run, n, state. No two are the same; none of them is a part of a map.
--
-- A step is skipped if its condition cannot come true any more, and that cascades. Every other one has as many steps less to
-- wait for as have ended or were skipped before it: one update a step, however many end at once. The runs must be locked.
-- Returns (run, n, kind, scope, state, name, node), the node of those that are ready. Uses workflow_edges_pkey and
-- workflow_steps_pkey.
WITH RECURSIVE ended AS MATERIALIZED (
    SELECT run, n, state FROM json_to_recordset(%(ended)s::json) AS given (run uuid, n integer, state text)
),
skipped (run, n) AS (
    SELECT edge.run, edge.child
    FROM ended
    JOIN {schema}.workflow_edges AS edge ON edge.run = ended.run AND edge.parent = ended.n
    JOIN {schema}.workflow_steps AS step ON step.run = edge.run AND step.n = edge.child AND step.state = 'waiting'
    WHERE edge.on_end = 'succeeded' AND ended.state <> 'succeeded'
       OR edge.on_end = 'failed' AND ended.state NOT IN ('failed', 'cancelled', 'expired')
    UNION
    SELECT edge.run, edge.child
    FROM skipped
    JOIN {schema}.workflow_edges AS edge
        ON edge.run = skipped.run AND edge.parent = skipped.n AND edge.on_end IN ('succeeded', 'failed')
    JOIN {schema}.workflow_steps AS step ON step.run = edge.run AND step.n = edge.child AND step.state = 'waiting'
),
gone AS (
    SELECT run, n FROM ended
    UNION
    SELECT run, n FROM skipped
),
fewer AS (
    SELECT edge.run, edge.child AS n, count(*)::integer AS parents
    FROM gone
    JOIN {schema}.workflow_edges AS edge ON edge.run = gone.run AND edge.parent = gone.n
    GROUP BY edge.run, edge.child
),
changed AS (
    UPDATE {schema}.workflow_steps AS step
    SET need = step.need - fewer.parents,
        state = CASE WHEN skipped.n IS NOT NULL THEN 'skipped' WHEN step.need = fewer.parents THEN 'ready' ELSE 'waiting' END,
        ended_at = CASE WHEN skipped.n IS NOT NULL THEN now() END
    FROM fewer
    LEFT JOIN skipped ON skipped.run = fewer.run AND skipped.n = fewer.n
    WHERE step.run = fewer.run AND step.n = fewer.n AND step.state = 'waiting'
    RETURNING step.run, step.n, step.kind, step.scope, step.state, step.name, step.node
)
SELECT run::text, n, kind, scope, state, name, CASE WHEN state = 'ready' THEN node::text END
FROM changed
WHERE state <> 'waiting'
ORDER BY run, n

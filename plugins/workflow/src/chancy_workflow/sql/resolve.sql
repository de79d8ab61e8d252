-- Steps have ended: what comes after them is ready, or skipped, or waits for others still.
--
-- ended  json   an array of objects: run, n, state. No two are the same; none of them is a part of a map.
--
-- A step is skipped if its condition cannot come true any more, and that cascades. Every other one has as many steps less to
-- wait for as have ended or were skipped before it: one update a step, however many end at once. The runs must be locked.
-- Returns (run, n, kind, scope, state, name, node), the node of those that are ready. These are left as they are: whoever
-- asks sets, in the same transaction, what becomes of each. Uses workflow_edges_pkey and workflow_steps_pkey, a row at a time.
-- The bad plan reads all steps and compares each with each: OFFSET keeps the planner from it.
WITH RECURSIVE ended AS MATERIALIZED (
    SELECT run, n, state FROM json_to_recordset(%(ended)s::json) AS given (run uuid, n integer, state text)
),
skipped (run, n) AS (
    SELECT ended.run, edge.child
    FROM ended
    CROSS JOIN LATERAL (
        SELECT child, on_end FROM {schema}.workflow_edges WHERE run = ended.run AND parent = ended.n OFFSET 0
    ) AS edge
    CROSS JOIN LATERAL (
        SELECT FROM {schema}.workflow_steps WHERE run = ended.run AND n = edge.child AND state = 'waiting' OFFSET 0
    ) AS step
    WHERE edge.on_end = 'succeeded' AND ended.state <> 'succeeded'
       OR edge.on_end = 'failed' AND ended.state NOT IN ('failed', 'cancelled', 'expired')
    UNION
    SELECT skipped.run, edge.child
    FROM skipped
    CROSS JOIN LATERAL (
        SELECT child, on_end FROM {schema}.workflow_edges WHERE run = skipped.run AND parent = skipped.n OFFSET 0
    ) AS edge
    CROSS JOIN LATERAL (
        SELECT FROM {schema}.workflow_steps WHERE run = skipped.run AND n = edge.child AND state = 'waiting' OFFSET 0
    ) AS step
    WHERE edge.on_end IN ('succeeded', 'failed')
),
gone AS (
    SELECT run, n FROM ended
    UNION
    SELECT run, n FROM skipped
),
less AS (
    SELECT gone.run, edge.child AS n, 1 AS parents, false AS skip
    FROM gone
    CROSS JOIN LATERAL (
        SELECT child FROM {schema}.workflow_edges WHERE run = gone.run AND parent = gone.n OFFSET 0
    ) AS edge
    UNION ALL
    SELECT run, n, 0, true FROM skipped
),
fewer AS (
    SELECT run, n, sum(parents)::integer AS parents, bool_or(skip) AS skip FROM less GROUP BY run, n
),
touched AS MATERIALIZED (
    SELECT fewer.run, fewer.n, fewer.parents, step.place, step.kind, step.scope, step.name,
        CASE WHEN fewer.skip THEN 'skipped' WHEN step.need = fewer.parents THEN 'ready' ELSE 'waiting' END AS state,
        CASE WHEN NOT fewer.skip AND step.need = fewer.parents THEN step.node::text END AS node
    FROM fewer
    CROSS JOIN LATERAL (
        SELECT ctid AS place, kind, scope, name, need, node
        FROM {schema}.workflow_steps
        WHERE run = fewer.run AND n = fewer.n AND state = 'waiting'
        OFFSET 0
    ) AS step
),
changed AS (
    UPDATE {schema}.workflow_steps AS step
    SET need = step.need - touched.parents,
        state = touched.state,
        ended_at = CASE WHEN touched.state = 'skipped' THEN now() END
    FROM touched
    WHERE touched.state <> 'ready' AND step.ctid = touched.place
)
SELECT run::text, n, kind, scope, state, name, node
FROM touched
WHERE state <> 'waiting'
ORDER BY run, n

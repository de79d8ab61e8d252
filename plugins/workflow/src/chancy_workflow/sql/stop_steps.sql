-- Stop a run, or an included workflow of it: what waits is skipped, and what was pushed is to be cancelled. The run must be
-- locked.
--
-- run       uuid
-- scope     integer   the group; NULL: the whole run
-- handlers  boolean   whether steps that come after a failure or an end go on, and what comes after these
--
-- Returns (n, kind, scope, state, need) of steps that were skipped or cancelled by this, parts of maps left out, and of open
-- maps, which have as many parts less to wait for. Uses workflow_steps_pkey and workflow_edges_pkey.
WITH RECURSIVE steps AS MATERIALIZED (
    SELECT n, kind, state, scope, ctid AS place FROM {schema}.workflow_steps WHERE run = %(run)s::uuid
),
inside (n, kind, state, scope, place) AS (
    SELECT n, kind, state, scope, place FROM steps WHERE %(scope)s::integer IS NULL OR scope = %(scope)s::integer
    UNION
    SELECT steps.n, steps.kind, steps.state, steps.scope, steps.place FROM inside JOIN steps ON steps.scope = inside.n
),
handlers (n) AS (
    SELECT edge.child
    FROM {schema}.workflow_edges AS edge
    WHERE edge.run = %(run)s::uuid AND %(handlers)s::boolean AND edge.on_end IN ('failed', 'finished')
      AND edge.parent IN (SELECT n FROM inside)
    UNION
    SELECT edge.child
    FROM handlers
    JOIN {schema}.workflow_edges AS edge
        ON edge.run = %(run)s::uuid AND edge.parent = handlers.n AND edge.on_end <> 'within'
),
caught AS MATERIALIZED (
    SELECT n, kind, state, scope, place
    FROM inside
    WHERE state IN ('waiting', 'ready', 'open', 'pushed') AND kind <> 'group'
      AND CASE WHEN kind = 'part' THEN scope ELSE n END NOT IN (SELECT n FROM handlers)
),
left_over AS (
    SELECT scope AS n, count(*)::integer AS parts FROM caught WHERE kind = 'part' AND state = 'pushed' GROUP BY scope
)
UPDATE {schema}.workflow_steps AS step
SET state = CASE
        WHEN caught.state IN ('waiting', 'ready') THEN 'skipped'
        WHEN caught.state = 'open' AND caught.kind = 'wait' THEN 'cancelled'
        ELSE caught.state
    END,
    ended_at = CASE
        WHEN caught.state IN ('waiting', 'ready') OR caught.state = 'open' AND caught.kind = 'wait' THEN now()
    END,
    need = CASE
        WHEN caught.state = 'open' AND caught.kind = 'map' THEN coalesce(
            (SELECT parts FROM left_over WHERE left_over.n = caught.n), 0
        )
        ELSE step.need
    END,
    stopped = caught.state = 'pushed'
FROM caught
WHERE step.ctid = caught.place
RETURNING step.n, step.kind, step.scope, step.state, step.need

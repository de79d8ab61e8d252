-- What has to be stopped because a step of it failed, and nothing caught that.
--
-- runs  uuid[]
--
-- Returns (run, scope, name): the whole run where scope is NULL, else an included workflow; name is that of the first such step.
-- Uses workflow_steps_pkey and workflow_edges_pkey.
WITH uncaught AS (
    SELECT step.run, step.scope, (array_agg(step.name ORDER BY step.ended_at, step.n))[1] AS name
    FROM {schema}.workflow_steps AS step
    WHERE step.run = ANY (%(runs)s::uuid[])
      AND step.state IN ('failed', 'expired', 'cancelled')
      AND step.kind <> 'part'
      AND NOT EXISTS (
          SELECT
          FROM {schema}.workflow_edges AS edge
          JOIN {schema}.workflow_steps AS handler ON handler.run = edge.run AND handler.n = edge.child
          WHERE edge.run = step.run AND edge.parent = step.n AND edge.on_end = 'failed' AND handler.state <> 'skipped'
      )
    GROUP BY step.run, step.scope
)
SELECT uncaught.run::text, uncaught.scope, uncaught.name
FROM uncaught
JOIN {schema}.workflow_runs AS run ON run.id = uncaught.run
LEFT JOIN {schema}.workflow_steps AS owner ON owner.run = uncaught.run AND owner.n = uncaught.scope
WHERE CASE
    WHEN uncaught.scope IS NULL THEN run.on_failure = 'cancel' AND run.stopping IS NULL
    ELSE owner.node ->> 'on_failure' = 'cancel' AND NOT owner.stopped
END
ORDER BY uncaught.run, uncaught.scope DESC NULLS LAST

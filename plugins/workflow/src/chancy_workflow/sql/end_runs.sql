-- Steps of runs have ended; those of which none is left have ended too. And the jobs of steps were pushed. The runs must be
-- locked.
--
-- ended  json        an array of objects: run, steps that have ended
-- runs   uuid[]      of each step whose job was pushed its run
-- ns     integer[]   its number
-- jobs   uuid[]      its job
--
-- A run has failed if a step of it failed and none caught that. Uses workflow_runs_pkey, workflow_steps_pkey and
-- workflow_edges_pkey, those that were pushed a row at a time; see end_jobs. Returns (run, unended).
WITH pushed AS (
    UPDATE {schema}.workflow_steps AS step
    SET state = 'pushed', job_id = given.job_id, begun_at = now()
    FROM unnest(%(runs)s::uuid[], %(ns)s::integer[], %(jobs)s::uuid[]) AS given (run, n, job_id)
    CROSS JOIN LATERAL (
        SELECT ctid AS place FROM {schema}.workflow_steps WHERE run = given.run AND n = given.n OFFSET 0
    ) AS mine
    WHERE step.ctid = mine.place
)
UPDATE {schema}.workflow_runs AS run
SET unended = run.unended - given.steps,
    ended_at = CASE WHEN run.unended = given.steps THEN now() END,
    state = CASE
        WHEN run.unended > given.steps THEN 'running'
        WHEN run.stopping IN ('cancel', 'now') THEN 'cancelled'
        WHEN EXISTS (
            SELECT
            FROM {schema}.workflow_steps AS step
            WHERE step.run = run.id AND step.scope IS NULL AND step.state IN ('failed', 'expired', 'cancelled')
              AND NOT EXISTS (
                  SELECT
                  FROM {schema}.workflow_edges AS edge
                  JOIN {schema}.workflow_steps AS handler ON handler.run = edge.run AND handler.n = edge.child
                  WHERE edge.run = step.run AND edge.parent = step.n AND edge.on_end = 'failed'
                    AND handler.state <> 'skipped'
              )
        ) THEN 'failed'
        ELSE 'succeeded'
    END
FROM json_to_recordset(%(ended)s::json) AS given (run uuid, steps integer)
WHERE run.id = given.run AND run.state = 'running'
RETURNING run.id::text, run.unended

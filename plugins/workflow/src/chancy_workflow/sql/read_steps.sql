-- The steps of a run, parts of maps left out. Uses workflow_steps_pkey.
--
-- run      uuid
-- results  boolean   whether their results are wanted, as JSON text
SELECT step.n, step.name, step.kind, step.state, step.job_id::text, step.note, step.begun_at, step.due_at, step.ended_at,
    step.past::text,
    CASE
        WHEN NOT %(results)s::boolean OR step.state <> 'succeeded' THEN NULL
        WHEN step.kind = 'map' THEN (
            SELECT coalesce(json_agg(part.result ORDER BY part.n), '[]')
            FROM {schema}.workflow_steps AS part
            WHERE part.run = step.run AND part.scope = step.n AND part.kind = 'part'
        )
        ELSE step.result
    END::text
FROM {schema}.workflow_steps AS step
WHERE step.run = %(run)s::uuid AND step.kind <> 'part'
ORDER BY step.n

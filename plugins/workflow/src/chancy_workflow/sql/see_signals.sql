-- The open steps of runs for which signals have come. All signals of these runs have been seen by that. The runs must be
-- locked.
--
-- runs  uuid[]
--
-- Returns (run, n, kind, scope, name, node). Uses workflow_signals_unseen and workflow_steps_name.
WITH seen AS (
    UPDATE {schema}.workflow_signals SET unseen = false WHERE run = ANY (%(runs)s::uuid[]) AND unseen RETURNING run, name
)
SELECT step.run::text, step.n, step.kind, step.scope, step.name, step.node::text
FROM seen
JOIN {schema}.workflow_steps AS step ON step.run = seen.run AND step.name = seen.name AND step.kind = 'wait'
WHERE step.state = 'open'
ORDER BY step.run, step.n

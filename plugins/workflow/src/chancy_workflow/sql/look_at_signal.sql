-- Whether a signal can be sent. Uses workflow_runs_pkey, workflow_steps_name and workflow_signals_pkey.
--
-- run   uuid
-- name  text
--
-- Returns (state of the run, number of the step, kind, state of the step, node, when it ended, when a signal was sent).
SELECT run.state, step.n, step.kind, step.state, step.node::text, step.ended_at, signal.sent_at
FROM {schema}.workflow_runs AS run
LEFT JOIN {schema}.workflow_steps AS step ON step.run = run.id AND step.name = %(name)s::text AND step.kind <> 'part'
LEFT JOIN {schema}.workflow_signals AS signal ON signal.run = run.id AND signal.name = %(name)s::text
WHERE run.id = %(run)s::uuid

-- Runs with steps whose signals have come, or will not be waited for any longer, or that are left to be pushed.
--
-- limit  integer
--
-- Uses workflow_signals_unseen, workflow_steps_due and workflow_steps_ready.
(SELECT run::text FROM {schema}.workflow_signals WHERE unseen LIMIT %(limit)s::integer)
UNION
(SELECT run::text FROM {schema}.workflow_steps WHERE state = 'open' AND due_at <= now() LIMIT %(limit)s::integer)
UNION
(SELECT run::text FROM {schema}.workflow_steps WHERE state = 'ready' LIMIT %(limit)s::integer)

-- Signals that did not come: whose time-out has been over for a minute, or that are waited for without one for long.
--
-- quiet_s  float
-- limit    integer
--
-- Returns (workflow, step, runs, one of them, since when in words). Uses workflow_steps_signals.
SELECT run.name, step.name, count(*), min(run.id::text),
    CASE WHEN bool_or(step.due_at IS NOT NULL) THEN 'beyond its time-out: no worker with the plugin has looked'
         ELSE 'since ' || to_char(min(step.begun_at), 'YYYY-MM-DD') || ', without a time-out' END
FROM {schema}.workflow_steps AS step
JOIN {schema}.workflow_runs AS run ON run.id = step.run
WHERE step.kind = 'wait' AND step.state = 'open'
  AND coalesce(step.due_at + interval '1 minute', step.begun_at + make_interval(secs => %(quiet_s)s::double precision)) < now()
GROUP BY run.name, step.name
ORDER BY count(*) DESC
LIMIT %(limit)s::integer

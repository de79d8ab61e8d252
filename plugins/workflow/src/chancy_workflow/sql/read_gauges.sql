-- How runs stand, for metrics. Nothing of it counts further than the limit.
--
-- recent_s  float     how far back runs are looked at that have ended
-- limit     integer
--
-- Returns (runs under way, age of the oldest in seconds, those that have ended lately by state, a half, 95 and 99 of a hundred of
-- their durations in seconds, signals that are waited for, for how long the first of them has been, in seconds). Uses
-- workflow_runs_running, workflow_runs_ended_at and workflow_steps_signals.
WITH running AS MATERIALIZED (
    SELECT created_at FROM {schema}.workflow_runs WHERE state = 'running' ORDER BY created_at LIMIT %(limit)s::integer
),
ended AS MATERIALIZED (
    SELECT state, extract(epoch FROM ended_at - created_at)::double precision AS took_s
    FROM {schema}.workflow_runs
    WHERE ended_at > now() - make_interval(secs => %(recent_s)s::double precision)
    ORDER BY ended_at DESC
    LIMIT %(limit)s::integer
),
signals AS MATERIALIZED (
    SELECT begun_at
    FROM {schema}.workflow_steps
    WHERE kind = 'wait' AND state = 'open'
    ORDER BY begun_at
    LIMIT %(limit)s::integer
)
SELECT (SELECT count(*) FROM running),
    (SELECT extract(epoch FROM now() - min(created_at))::double precision FROM running),
    (SELECT coalesce(json_object_agg(state, runs), '{}') FROM (SELECT state, count(*) AS runs FROM ended GROUP BY state) AS counted),
    (SELECT percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY took_s) FROM ended),
    (SELECT count(*) FROM signals),
    (SELECT extract(epoch FROM now() - min(begun_at))::double precision FROM signals)

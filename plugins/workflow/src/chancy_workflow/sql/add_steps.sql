-- Store steps of a run.
--
-- run    uuid
-- steps  json   an array of objects with the columns below
INSERT INTO {schema}.workflow_steps (run, n, name, kind, state, scope, need, node, max_in_flight, job_id, begun_at)
SELECT %(run)s::uuid, n, name, kind, state, scope, need, node, max_in_flight, job_id, CASE WHEN state = 'pushed' THEN now() END
FROM json_to_recordset(%(steps)s::json) AS given (
    n integer, name text, kind text, state text, scope integer, need integer, node json, max_in_flight integer,
    job_id uuid
)

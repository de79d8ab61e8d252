-- Delete runs that ended long ago, with all that belongs to them.
--
-- keep_s  float
-- limit   integer   runs
--
-- Returns (run). Uses workflow_runs_ended_at.
WITH old AS (
    SELECT id
    FROM {schema}.workflow_runs
    WHERE ended_at < now() - make_interval(secs => %(keep_s)s::double precision)
    ORDER BY ended_at
    LIMIT %(limit)s::integer
    FOR UPDATE SKIP LOCKED
),
steps AS (
    DELETE FROM {schema}.workflow_steps USING old WHERE workflow_steps.run = old.id
),
edges AS (
    DELETE FROM {schema}.workflow_edges USING old WHERE workflow_edges.run = old.id
),
signals AS (
    DELETE FROM {schema}.workflow_signals USING old WHERE workflow_signals.run = old.id
)
DELETE FROM {schema}.workflow_runs USING old WHERE workflow_runs.id = old.id RETURNING workflow_runs.id::text

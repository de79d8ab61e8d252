-- Say that a run is being stopped, or an included workflow of it. The run must be locked.
--
-- run    uuid
-- scope  integer   the group; NULL: the run
-- what   text      failure, cancel or now
-- note   text      why
WITH whole AS (
    UPDATE {schema}.workflow_runs
    SET stopping = %(what)s::text, note = coalesce(%(note)s::text, note)
    WHERE id = %(run)s::uuid AND %(scope)s::integer IS NULL
)
UPDATE {schema}.workflow_steps
SET stopped = true
WHERE run = %(run)s::uuid AND n = %(scope)s::integer

-- A run that has ended is under way again. It must be locked.
--
-- run      uuid
-- unended  integer
-- mode     text      what was asked for
WITH before AS (
    SELECT jsonb_build_array(jsonb_build_object(
        'attempt', attempt, 'state', state, 'note', note, 'ended_at', ended_at, 'retried', %(mode)s::text
    )) AS attempt
    FROM {schema}.workflow_runs
    WHERE id = %(run)s::uuid
)
UPDATE {schema}.workflow_runs
SET state = 'running', stopping = NULL, note = NULL, ended_at = NULL, attempt = workflow_runs.attempt + 1,
    unended = %(unended)s::integer, past = (coalesce(past::jsonb, '[]') || before.attempt)::json
FROM before
WHERE id = %(run)s::uuid

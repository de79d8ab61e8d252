-- Let steps of a run that has ended wait anew, and keep what became of them. The run must be locked.
--
-- run      uuid
-- steps    json      an array of objects: n, need, state: waiting, or open for a map of which some parts go on
-- attempt  integer   the attempt that has ended
--
-- What others sent to a step that had it is forgotten. Uses workflow_steps_pkey.
WITH given AS MATERIALIZED (
    SELECT n, need, state FROM json_to_recordset(%(steps)s::json) AS given (n integer, need integer, state text)
),
forgotten AS (
    DELETE FROM {schema}.workflow_signals AS signal
    USING given, {schema}.workflow_steps AS step
    WHERE signal.run = %(run)s::uuid AND step.run = signal.run AND step.n = given.n AND step.name = signal.name
      AND step.state = 'succeeded'
)
UPDATE {schema}.workflow_steps AS step
SET state = given.state,
    need = given.need,
    past = (
        coalesce(step.past::jsonb, '[]') || jsonb_build_array(jsonb_build_object(
            'attempt', %(attempt)s::integer, 'state', step.state, 'job_id', step.job_id, 'note', step.note,
            'begun_at', step.begun_at, 'ended_at', step.ended_at
        ))
    )::json,
    job_id = NULL, result = NULL, note = NULL, begun_at = NULL, due_at = NULL, ended_at = NULL, stopped = false,
    missed_at = NULL
FROM given
CROSS JOIN LATERAL (
    SELECT ctid AS place FROM {schema}.workflow_steps WHERE run = %(run)s::uuid AND n = given.n OFFSET 0
) AS mine
WHERE step.ctid = mine.place

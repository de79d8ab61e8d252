-- Bring finished jobs back, to run again: attempts from the beginning, claims and errors as they were.
--
-- ids   uuid[]
--
-- A job whose unique_key is taken by another stays where it is; one that was never started waits for its scheduled_at.
-- Returns (id, queue, state) of those that came back.
-- Uses finished_jobs_id.
WITH old AS (
    SELECT *
    FROM {schema}.finished_jobs
    WHERE id = ANY (%(ids)s)
    FOR UPDATE
),
back AS (
    INSERT INTO {schema}.jobs (
        id, queue, func, priority, max_attempts, claims, created_at, scheduled_at, unique_key, kwargs, meta, limits,
        options, errors, state
    )
    -- The history has rows that were never checked as those of jobs are: they come back into the range.
    SELECT id, queue, func, priority, greatest(max_attempts, 1), claims,
           CASE WHEN created_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00' THEN created_at ELSE now() END,
           CASE WHEN scheduled_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00' THEN scheduled_at END,
           unique_key, kwargs, meta, limits,
           -- Whether it can be run now is another question.
           CASE WHEN options::text LIKE '%%"unrunnable_since"%%' THEN (options::jsonb - 'unrunnable_since')::json ELSE options END,
           errors,
           CASE WHEN claims = 0 AND scheduled_at > now() AND scheduled_at <= '9999-12-30 00:00+00' THEN 'scheduled' ELSE 'pending' END
    FROM old
    ORDER BY id
    ON CONFLICT DO NOTHING
    RETURNING id, queue, state
),
gone AS (
    DELETE FROM {schema}.finished_jobs
    WHERE id = ANY (ARRAY(SELECT id FROM back))
)
SELECT id, queue, state FROM back

-- Bring finished jobs back, to run again: attempts from the beginning, errors as they were. Like a
-- claim this raises the number claims, so that no two ends of a job have the same.
--
-- ids      uuid[]
-- states   text[]      only jobs that are in this state, one for each id …
-- claims   integer[]   … and have been claimed so often; NULL, both: however they are
-- here     text[]      the plugins that will be told of it in this transaction; other listeners get a row in ended
--
-- A job whose unique_key is taken by another stays where it is, and so does one of whose key one job may wait, and waits
-- (unique_while); one that was never started waits for its scheduled_at.
-- Returns (id, claims, queue, func, state, how, attempts, unique_key, note, meta, at, unheard) of those that came back. From
-- claims to at it is what a plugin is told, func, unique_key, note, meta and at only if somebody is here; unheard is whether
-- other plugins wait to be told.
-- Uses finished_jobs_id and jobs_waiting_key.
WITH old AS (
    -- How the encoder of options writes it, and jsonb.
    SELECT *, coalesce(options::text ~ '"unique_while": ?"waiting"', false) AS waits
    FROM {schema}.finished_jobs
    WHERE id = ANY (%(ids)s)
      AND (%(states)s::text[] IS NULL OR (id, state, claims) IN (
          SELECT * FROM unnest(%(ids)s::uuid[], %(states)s::text[], %(claims)s::integer[])
      ))
    FOR UPDATE
),
-- No constraint refuses these, because a claimed job holds no waiting_key: of those given here one of each comes back.
first AS (
    SELECT *
    FROM old
    WHERE NOT waits OR unique_key IS NULL
    UNION ALL
    (
        SELECT DISTINCT ON (unique_key) *
        FROM old
        WHERE waits AND unique_key IS NOT NULL
          -- A limit, as in insert_waiting.
          AND (
              SELECT true
              FROM {schema}.jobs AS other
              WHERE other.waiting_key = old.unique_key
                AND (other.claims = 0 OR other.state <> 'running' AND other.cancel_note IS NULL)
              LIMIT 1
          ) IS NULL
        ORDER BY unique_key, id
    )
),
back AS (
    INSERT INTO {schema}.jobs (
        id, queue, func, priority, max_attempts, claims, created_at, scheduled_at, started_at, unique_key, waiting_key,
        kwargs, meta, limits, options, errors, state
    )
    -- The history has rows that were never checked as those of jobs are: they come back into the range.
    SELECT id, queue, func, priority, greatest(max_attempts, 1), mod(claims, 2147483647) + 1,
           CASE WHEN created_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00' THEN created_at ELSE now() END,
           CASE WHEN scheduled_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00' THEN scheduled_at END,
           -- It tells, should this job be brought back once more, that it was started before.
           CASE WHEN started_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00' THEN started_at END,
           CASE WHEN NOT waits THEN unique_key END, CASE WHEN waits THEN unique_key END, kwargs, meta, limits,
           -- Whether it can be run now is another question.
           CASE WHEN json_typeof(options) = 'object' AND options::text LIKE '%%"unrunnable_since"%%'
                THEN (options::jsonb - 'unrunnable_since')::json ELSE options END,
           errors,
           CASE WHEN started_at IS NULL AND scheduled_at > now() AND scheduled_at <= '9999-12-30 00:00+00' THEN 'scheduled'
                ELSE 'pending' END
    FROM first
    ORDER BY id
    ON CONFLICT DO NOTHING
    RETURNING id, queue, state, func, claims, attempts, coalesce(unique_key, waiting_key) AS unique_key, note, meta
),
gone AS (
    DELETE FROM {schema}.finished_jobs
    WHERE id = ANY (ARRAY(SELECT id FROM back))
),
deaf AS (
    SELECT array_agg(plugin) AS plugins FROM {schema}.listeners
    WHERE plugin <> ALL (%(here)s::text[])
),
unheard AS (
    INSERT INTO {schema}.ended (plugin, id, claims, queue, func, state, how, attempts, unique_key, note, meta)
    SELECT plugin, id, claims, queue, func, state, 'retry', attempts, unique_key, note, meta
    FROM unnest((SELECT plugins FROM deaf)) AS asked (plugin), back
    -- Asked once, before anything is read: without a listener this costs nothing.
    WHERE (SELECT plugins IS NOT NULL FROM deaf)
)
SELECT id,
       claims,
       queue,
       CASE WHEN %(here)s::text[] <> '{}' THEN func END AS func,
       state,
       'retry' AS how,
       attempts,
       CASE WHEN %(here)s::text[] <> '{}' THEN unique_key END AS unique_key,
       CASE WHEN %(here)s::text[] <> '{}' THEN note END AS note,
       CASE WHEN %(here)s::text[] <> '{}' THEN meta::text END AS meta,
       CASE WHEN %(here)s::text[] <> '{}' THEN now() END AS at,
       (SELECT plugins IS NOT NULL FROM deaf) AS unheard
FROM back

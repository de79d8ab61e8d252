-- Give jobs that wait other arguments, and whatever else their pushes say; what has happened to them so far stays.
--
-- holder            uuid[]   the jobs that are replaced, each once; sorted, so that all lock them in one order
-- id … expires_at   a column each, as for insert_jobs; id and unique_key are not used
-- channel           text     whom to notify when this commits …
-- payloads          text[]   … of what; empty: nobody
-- patience          text     how long to wait for whoever has locked one of them; NULL: as the session does
--
-- A job that was started before, and waits to be tried again, begins anew, as when it is brought back by retry_jobs.
-- Replaces nothing at all unless every queue is declared, and leaves out what runs by now, or has ended.
-- Returns the ids in `holder` that were replaced. Uses jobs_pkey; why through ANY is explained in finish_jobs.
WITH patience AS MATERIALIZED (
    SELECT CASE WHEN %(patience)s::text IS NOT NULL THEN set_config('lock_timeout', %(patience)s, true) END
),
given AS (
    SELECT job.*
    FROM unnest(
        (SELECT %(holder)s::uuid[]), (SELECT %(queue)b::text[]), (SELECT %(func)b::text[]),
        (SELECT %(priority)s::integer[]), (SELECT %(max_attempts)s::integer[]),
        (SELECT %(scheduled_at)s::timestamptz[]), (SELECT %(kwargs)b::text[]), (SELECT %(meta)b::text[]),
        (SELECT %(limits)b::text[]), (SELECT %(options)b::text[]), (SELECT %(expires_at)s::timestamptz[])
    ) AS job (
        holder, queue, func, priority, max_attempts, scheduled_at, kwargs, meta, limits, options, expires_at
    )
),
replaced AS (
    UPDATE {schema}.jobs
    SET queue = given.queue,
        func = given.func,
        priority = given.priority,
        max_attempts = given.max_attempts,
        attempts = 0,
        scheduled_at = given.scheduled_at,
        kwargs = given.kwargs::json,
        meta = given.meta::json,
        limits = given.limits::json,
        options = given.options::json,
        expires_at = given.expires_at,
        progress = NULL,
        note = NULL,
        state = CASE WHEN given.scheduled_at > now() THEN 'scheduled' ELSE 'pending' END
    FROM patience, given
    WHERE jobs.id = ANY (ARRAY[given.holder])
      AND jobs.state <> 'running'
      AND jobs.cancel_note IS NULL
      AND NOT EXISTS (
          SELECT FROM unnest(%(queues)s::text[]) AS named (name)
          WHERE name NOT IN (SELECT queues.name FROM {schema}.queues)
      )
    RETURNING jobs.id
)
SELECT id, (
    SELECT count(CASE WHEN pg_notification_queue_usage() < 0.5 THEN pg_notify(%(channel)s, payload) END)
    FROM unnest(%(payloads)s::text[]) AS payload
)
FROM replaced

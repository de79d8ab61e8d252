-- Store jobs with keys of which one may wait while others run: as insert_jobs does, but unique_key goes into waiting_key.
--
-- id … expires_at   a column each; sorted by unique_key, so that two pushes of the same keys wait for each other in order
-- queues         text[]   the names in `queue`, once each
-- channel        text     whom to notify when this commits …
-- payloads       text[]   … of what; empty: nobody
-- patience       text     how long to wait for whoever is about to take a unique_key; NULL: as the session does
--
-- While the queue of notifications is half full or more, nobody is notified, because a full one would fail the commit.
-- Inserts nothing at all unless every queue is declared. A row is left out if a job with its key waits:
-- one that was never claimed, which the index says, or one that was and waits again. Uses jobs_waiting_key.
-- Text goes as binary arrays, which the client need not escape.
-- Returns the ids that were stored. `created_at` is the transaction's start.
WITH patience AS MATERIALIZED (
    SELECT CASE WHEN %(patience)s::text IS NOT NULL THEN set_config('lock_timeout', %(patience)s, true) END
),
given AS (
    SELECT job.*
    FROM patience, unnest(
        %(id)s::uuid[], %(queue)b::text[], %(func)b::text[], %(priority)s::integer[], %(max_attempts)s::integer[],
        %(scheduled_at)s::timestamptz[], %(unique_key)b::text[], %(kwargs)b::text[], %(meta)b::text[],
        %(limits)b::text[], %(options)b::text[], %(expires_at)s::timestamptz[]
    ) AS job (
        id, queue, func, priority, max_attempts, scheduled_at, unique_key, kwargs, meta, limits, options, expires_at
    )
),
stored AS (
    INSERT INTO {schema}.jobs (
        id, queue, func, priority, max_attempts, scheduled_at, waiting_key, kwargs, meta, limits, options, expires_at,
        state
    )
    SELECT id, queue, func, priority, max_attempts, scheduled_at, unique_key,
           kwargs::json, meta::json, limits::json, options::json, expires_at,
           CASE WHEN scheduled_at > now() THEN 'scheduled' ELSE 'pending' END
    FROM given
    WHERE NOT EXISTS (
        SELECT FROM unnest(%(queues)s::text[]) AS named (name)
        WHERE name NOT IN (SELECT queues.name FROM {schema}.queues)
    )
    -- A limit, because the planner would turn NOT EXISTS into a join that reads the whole table.
    AND (
        SELECT true
        FROM {schema}.jobs AS other
        WHERE other.waiting_key = given.unique_key
          AND (other.claims = 0 OR other.state <> 'running' AND other.cancel_note IS NULL)
        LIMIT 1
    ) IS NULL
    ON CONFLICT (waiting_key, (CASE WHEN claims = 0 THEN 0 END)) WHERE waiting_key IS NOT NULL DO NOTHING
    RETURNING id
)
SELECT id, (
    SELECT count(CASE WHEN pg_notification_queue_usage() < 0.5 THEN pg_notify(%(channel)s, payload) END)
    FROM unnest(%(payloads)s::text[]) AS payload
)
FROM stored

-- Store jobs, given as arrays of equal length.
--
-- id … expires_at   a column each; sorted by unique_key, so that two pushes of the same keys wait for each other in order
-- queues         text[]   the names in `queue`, once each
-- channel        text     whom to notify when this commits …
-- payloads       text[]   … of what; empty: nobody
-- patience       text     how long to wait for whoever is about to take a unique_key; NULL: as the session does
--
-- While the queue of notifications is half full or more, nobody is notified, because a full one would fail the commit.
-- Inserts nothing at all unless every queue is declared. A row whose unique_key is taken is left out.
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
        id, queue, func, priority, max_attempts, scheduled_at, unique_key, kwargs, meta, limits, options, expires_at,
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
    ON CONFLICT (unique_key) WHERE unique_key IS NOT NULL DO NOTHING
    RETURNING id
)
SELECT id, (
    SELECT count(CASE WHEN pg_notification_queue_usage() < 0.5 THEN pg_notify(%(channel)s, payload) END)
    FROM unnest(%(payloads)s::text[]) AS payload
)
FROM stored

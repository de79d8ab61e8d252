-- Store one job: as insert_jobs does, for a row that comes alone, which is the usual way to push.
--
-- id … expires_at   a column each, as text
-- channel           text     whom to notify when this commits …
-- payload           text     … of what; NULL: nobody
-- patience          text     how long to wait for whoever is about to take the unique_key; NULL: as the session does
--
-- While the queue of notifications is half full or more, nobody is notified, because a full one would fail the commit.
-- Inserts nothing unless the queue is declared, or if the unique_key is taken. Returns the id if it was stored.
WITH patience AS MATERIALIZED (
    SELECT CASE WHEN %(patience)s::text IS NOT NULL THEN set_config('lock_timeout', %(patience)s, true) END
),
stored AS (
    INSERT INTO {schema}.jobs (
        id, queue, func, priority, max_attempts, scheduled_at, unique_key, kwargs, meta, limits, options, expires_at,
        state
    )
    SELECT %(id)s::uuid, name, %(func)s, %(priority)s::integer, %(max_attempts)s::integer,
           %(scheduled_at)s::timestamptz, %(unique_key)s, %(kwargs)s::json, %(meta)s::json, %(limits)s::json,
           %(options)s::json, %(expires_at)s::timestamptz,
           CASE WHEN %(scheduled_at)s::timestamptz > now() THEN 'scheduled' ELSE 'pending' END
    FROM patience, {schema}.queues
    WHERE name = %(queue)s
    ON CONFLICT (unique_key) WHERE unique_key IS NOT NULL DO NOTHING
    RETURNING id
)
SELECT
    id,
    CASE
        WHEN %(payload)s::text IS NOT NULL AND pg_notification_queue_usage() < 0.5
        THEN pg_notify(%(channel)s, %(payload)s)
    END
FROM stored

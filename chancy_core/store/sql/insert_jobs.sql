-- Store jobs, given as arrays of equal length.
--
-- id … expires_at   a column each; sorted by unique_key, so that two pushes of the same keys wait for each other in order
-- queues         text[]   the names in `queue`, once each
-- channel        text     whom to notify when this commits …
-- payloads       text[]   … of what; empty: nobody
--
-- Inserts nothing at all unless every queue is declared. A row whose unique_key is taken is left out.
-- Returns the ids that were stored. `created_at` is the transaction's start.
WITH given AS (
    SELECT *
    FROM unnest(
        %(id)s::uuid[], %(queue)s::text[], %(func)s::text[], %(priority)s::integer[], %(max_attempts)s::integer[],
        %(scheduled_at)s::timestamptz[], %(unique_key)s::text[], %(kwargs)s::text[], %(meta)s::text[],
        %(limits)s::text[], %(options)s::text[], %(expires_at)s::timestamptz[]
    ) AS row (
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
SELECT id, (SELECT count(*) FROM unnest(%(payloads)s::text[]) AS payload, pg_notify(%(channel)s, payload))
FROM stored

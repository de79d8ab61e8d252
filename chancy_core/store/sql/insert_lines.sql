-- Store jobs as copy_jobs does, on a connection whose driver has no COPY that we know of: arrays of equal length, as text.
--
-- id … expires_at   a column each
--
-- The queues are declared, and none of these has a unique_key.
INSERT INTO {schema}.jobs (
    id, queue, func, priority, max_attempts, state, scheduled_at, kwargs, meta, limits, options, expires_at
)
SELECT id, queue, func, priority, max_attempts, state, scheduled_at, kwargs::json, meta::json, limits::json, options::json,
       expires_at
FROM unnest(
    %(id)s::uuid[], %(queue)s::text[], %(func)s::text[], %(priority)s::integer[], %(max_attempts)s::integer[],
    %(state)s::text[], %(scheduled_at)s::timestamptz[], %(kwargs)s::text[], %(meta)s::text[], %(limits)s::text[],
    %(options)s::text[], %(expires_at)s::timestamptz[]
) AS job (id, queue, func, priority, max_attempts, state, scheduled_at, kwargs, meta, limits, options, expires_at)

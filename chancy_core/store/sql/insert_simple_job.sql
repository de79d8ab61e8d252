-- Store one job, as insert_job does: one that has nothing but a function, a queue, kwargs, a priority and attempts, as
-- most have. Without a unique_key there is no conflict to look out for, which takes a record more in the log.
--
-- id, queue, func, priority, max_attempts, kwargs   a column each, as text
-- channel, payload   as for insert_job
--
-- Inserts nothing unless the queue is declared. Returns a row if it was stored.
WITH stored AS (
    INSERT INTO {schema}.jobs (id, queue, func, priority, max_attempts, kwargs)
    SELECT %(id)s::uuid, name, %(func)s, %(priority)s::integer, %(max_attempts)s::integer, %(kwargs)s::json
    FROM {schema}.queues
    WHERE name = %(queue)s
    RETURNING id
)
SELECT
    CASE
        WHEN %(payload)s::text IS NOT NULL AND pg_notification_queue_usage() < 0.5
        THEN pg_notify(%(channel)s, %(payload)s)
    END
FROM stored

-- Starts of a queue that lie further ahead than they can count as if they were now: the clock was set back since, and
-- they would be in every window until it has caught up. Returns how many starts; no row if there are none.
--
-- queue   text
--
-- Run it under the lock. Uses limits_starts_pkey.
WITH limited AS (
    SELECT make_interval(secs => rate_limit_window_s / 500) AS part, clock_timestamp() AS read_at
    FROM {schema}.queues_v1
    WHERE name = %(queue)s AND rate_limit IS NOT NULL
),
ahead AS (
    DELETE FROM {schema}.limits_starts
    USING limited
    WHERE limits_starts.queue = %(queue)s AND limits_starts.at > limited.read_at + limited.part
    RETURNING limits_starts.count
)
INSERT INTO {schema}.limits_starts AS known (queue, at, count)
SELECT %(queue)s, date_bin(limited.part, limited.read_at, 'epoch') + limited.part, least(pulled.count, 2147483647)::integer
FROM limited
CROSS JOIN (SELECT sum(count) AS count FROM ahead) AS pulled
WHERE pulled.count IS NOT NULL
ON CONFLICT (queue, at) DO UPDATE
SET count = least(known.count::bigint + excluded.count, 2147483647)::integer
RETURNING count

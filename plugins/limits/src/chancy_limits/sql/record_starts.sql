-- Jobs of a queue are started by this transaction: they count in its window. Nothing, if the queue has no rate limit.
--
-- queue   text
-- count   integer   1 or more
--
-- Counted from the jobs' started_at, the transaction's start, rounded up to one of 500 parts of the window; so by that no
-- start counts for less than the window. Should the transaction have taken long (its process may have been stopped), the
-- jobs begin to run that much later: then from a twentieth of the window before now.
-- What has left the window goes, as far as another window back: the rest is for sweep_starts, so that dead index entries
-- below are not walked over by every claim.
WITH limited AS (
    SELECT make_interval(secs => rate_limit_window_s) AS rate_window,
           make_interval(secs => rate_limit_window_s / 500) AS part,
           greatest(now(), clock_timestamp() - make_interval(secs => rate_limit_window_s / 20)) AS started_at
    FROM {schema}.queues_v1
    WHERE name = %(queue)s AND rate_limit IS NOT NULL
),
gone AS (
    DELETE FROM {schema}.limits_starts
    USING limited
    WHERE limits_starts.queue = %(queue)s
      AND limits_starts.at <= now() - limited.rate_window
      AND limits_starts.at > now() - limited.rate_window * 2
)
INSERT INTO {schema}.limits_starts AS known (queue, at, count)
SELECT %(queue)s, date_bin(part, started_at, 'epoch') + part, %(count)s
FROM limited
ON CONFLICT (queue, at) DO UPDATE
SET count = least(known.count::bigint + excluded.count, 2147483647)::integer

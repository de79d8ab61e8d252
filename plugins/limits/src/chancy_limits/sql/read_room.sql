-- What a queue's limits leave, by its declaration as it is now. No row: there is no such queue.
--
-- queue   text
--
-- Returns: how many jobs may start now; NULL without a rate limit
--          in how many seconds the first start leaves the window; NULL if there is none in it
--          the window, in seconds
--          how many more may run now; NULL without a global concurrency
--          whether some starts lie further ahead than they can: the clock was set back since
--
-- Run it under the lock, as a statement of its own, so that it sees all that was committed before the lock was had.
-- Starts lie in the window while `at > now() - window`, also those that are later than now(), because another
-- transaction that began later may have been faster; by no more than a part of the window, to which they are rounded up.
-- Indexes: limits_starts_pkey; jobs_running, which holds no more than what runs in the whole schema.
WITH limited AS (
    SELECT rate_limit, make_interval(secs => rate_limit_window_s) AS rate_window, rate_limit_window_s, global_concurrency
    FROM {schema}.queues_v1
    WHERE name = %(queue)s
)
SELECT CASE WHEN limited.rate_limit IS NOT NULL THEN greatest(limited.rate_limit - started.count, -1)::integer END
           AS may_start,
       extract(epoch FROM started.first_at + limited.rate_window - clock_timestamp())::float8 AS again_in_s,
       limited.rate_limit_window_s AS window_s,
       CASE WHEN limited.global_concurrency IS NOT NULL THEN
           limited.global_concurrency - (
               SELECT count(*)
               FROM {schema}.jobs_v1
               WHERE state = 'running' AND queue = %(queue)s
           )::integer
       END AS may_run,
       coalesce(started.ahead, false) AS ahead
FROM limited
CROSS JOIN LATERAL (
    SELECT coalesce(sum(starts.count), 0) AS count,
           min(starts.at) FILTER (WHERE isfinite(starts.at)) AS first_at,
           max(starts.at) > clock_timestamp() + limited.rate_window / 500 AS ahead
    FROM {schema}.limits_starts AS starts
    WHERE starts.queue = %(queue)s AND starts.at > now() - limited.rate_window
) AS started

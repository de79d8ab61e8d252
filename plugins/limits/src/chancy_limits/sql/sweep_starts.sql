-- Forget starts that count in no window: those of queues that rested, lost their limit, or were deleted. Those of a
-- deleted queue count for the longest window there is, should it be declared again.
--
-- A minute's distance from what a claim may forget just now keeps the two from waiting for each other.
DELETE FROM {schema}.limits_starts
WHERE at <= now() - interval '1 minute' - 2 * coalesce(
    (
        SELECT make_interval(secs => queues.rate_limit_window_s)
        FROM {schema}.queues_v1 AS queues
        WHERE queues.name = limits_starts.queue
    ),
    interval '1 day'
)

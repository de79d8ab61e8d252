-- Add up the hours that are over, of all queues, ten days of them at most. Does nothing when there is no new one.
--
-- To be run right after roll_hours, which leaves an hour alone for a minute after its end: this one leaves it for two, so
-- that its rows are there. By history_hours_pkey and history_depths_pkey, from the last total on.
WITH known AS MATERIALIZED (
    SELECT coalesce((SELECT max(at) + interval '1 hour' FROM {schema}.history_totals), '-infinity') AS until
),
next AS MATERIALIZED (
    SELECT least(
        (SELECT min(at) FROM {schema}.history_hours WHERE at >= (SELECT until FROM known)),
        (SELECT date_trunc('hour', min(at), 'UTC') FROM {schema}.history_depths WHERE at >= (SELECT until FROM known))
    ) AS since
),
span AS MATERIALIZED (
    SELECT since, least(date_trunc('hour', now() - interval '2 minutes', 'UTC'), since + interval '10 days') AS until
    FROM next
),
counted AS (
    SELECT at, sum(started) AS started, sum(first) AS first, sum(succeeded + failed + cancelled) AS finished,
           sum(failed + retried) AS bad, sum(wait_s) AS wait_s
    FROM {schema}.history_hours
    WHERE at >= (SELECT since FROM span) AND at < (SELECT until FROM span)
    GROUP BY at
),
waited AS (
    SELECT date_trunc('hour', at, 'UTC') AS at, avg(pending)::double precision AS pending
    FROM (
        SELECT at, CASE WHEN bool_or(pending IS NULL) THEN NULL ELSE sum(pending) END AS pending
        FROM {schema}.history_depths
        WHERE at >= (SELECT since FROM span) AND at < (SELECT until FROM span)
        GROUP BY at
    ) AS moments
    GROUP BY 1
)
INSERT INTO {schema}.history_totals (at, started, first, finished, bad, wait_s, pending)
SELECT at, coalesce(started, 0), coalesce(first, 0), coalesce(finished, 0), coalesce(bad, 0), coalesce(wait_s, 0), pending
FROM counted
FULL JOIN waited USING (at)
ON CONFLICT DO NOTHING

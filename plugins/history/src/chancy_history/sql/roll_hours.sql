-- Make rows of the hours that are over, of their minutes. Does nothing when there is no new one.
--
-- A worker writes to this minute or the one before: an hour is left alone for a minute after its end.
INSERT INTO {schema}.history_hours (
    at, queue, func, started, first, succeeded, failed, cancelled, retried, returned, wait_s, run_s, waits, runs
)
SELECT date_trunc('hour', at, 'UTC'), queue, func, sum(started), sum(first), sum(succeeded), sum(failed),
    sum(cancelled), sum(retried), sum(returned), sum(wait_s), sum(run_s),
    ARRAY[
        sum(waits[1]), sum(waits[2]), sum(waits[3]), sum(waits[4]), sum(waits[5]), sum(waits[6]), sum(waits[7]),
        sum(waits[8]), sum(waits[9]), sum(waits[10]), sum(waits[11]), sum(waits[12]), sum(waits[13]),
        sum(waits[14]), sum(waits[15]), sum(waits[16]), sum(waits[17]), sum(waits[18])
    ]::bigint[],
    ARRAY[
        sum(runs[1]), sum(runs[2]), sum(runs[3]), sum(runs[4]), sum(runs[5]), sum(runs[6]), sum(runs[7]),
        sum(runs[8]), sum(runs[9]), sum(runs[10]), sum(runs[11]), sum(runs[12]), sum(runs[13]), sum(runs[14]),
        sum(runs[15]), sum(runs[16]), sum(runs[17]), sum(runs[18])
    ]::bigint[]
FROM {schema}.history_minutes
WHERE
    at >= coalesce((SELECT max(at) + interval '1 hour' FROM {schema}.history_hours), '-infinity')
    AND at < date_trunc('hour', now() - interval '1 minute', 'UTC')
GROUP BY 1, 2, 3
ON CONFLICT DO NOTHING

-- What was counted since a time, added up: by queue, by function, or both, and by steps of time.
--
-- Walks history_minutes_pkey, and history_hours_pkey for what is older than the minutes.
--
-- since     timestamptz
-- step_s    double precision  how long a step is; the first one begins at `since`
-- by_queue  boolean
-- by_func   boolean
-- queue     text              only this queue; NULL: all
-- func      text              only this function; NULL: all
SELECT
    date_bin(make_interval(secs => %(step_s)s), at, %(since)s) AS step,
    CASE WHEN %(by_queue)s THEN queue END,
    CASE WHEN %(by_func)s THEN func END,
    sum(started)::bigint, sum(first)::bigint, sum(succeeded)::bigint, sum(failed)::bigint, sum(cancelled)::bigint,
    sum(retried)::bigint, sum(returned)::bigint, sum(wait_s), sum(run_s),
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
FROM {schema}.history_v1
WHERE
    at >= %(since)s
    AND (%(queue)s::text IS NULL OR queue = %(queue)s)
    AND (%(func)s::text IS NULL OR func = %(func)s)
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3

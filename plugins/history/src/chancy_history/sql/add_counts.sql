-- Add what a worker has counted since it last said so to the rows of this minute; nothing, if this writing is there already.
--
-- Whoever writes the same again, because the answer was lost, waits for the first one at the writer's row.
--
-- Rows are locked in the order of the key, by every worker, so that two of them never wait for each other in a circle.
--
-- writer   text   who counts: one process
-- number   bigint which of its writings this is; they grow
-- rows     json   an array of objects, one for each queue and function, with the columns of the table but `at`
-- within_s float  in how many seconds that was; it belongs to the minute in which the middle of them lies
WITH new AS (
    INSERT INTO {schema}.history_writers AS last (writer, number, at)
    VALUES (%(writer)s, %(number)s, now())
    ON CONFLICT (writer) DO UPDATE SET number = excluded.number, at = excluded.at
    WHERE last.number < excluded.number
    RETURNING 1
)
INSERT INTO {schema}.history_minutes AS kept (
    at, queue, func, started, first, succeeded, failed, cancelled, retried, returned, wait_s, run_s, waits, runs
)
SELECT date_trunc('minute', now() - make_interval(secs => %(within_s)s / 2), 'UTC'), queue, func, started, first,
    succeeded, failed, cancelled, retried, returned, wait_s, run_s, waits, runs
FROM json_to_recordset(%(rows)s::json) AS counted (
    queue text, func text, started bigint, first bigint, succeeded bigint, failed bigint, cancelled bigint,
    retried bigint, returned bigint, wait_s double precision, run_s double precision, waits bigint[], runs bigint[]
)
CROSS JOIN new
ORDER BY queue, func
ON CONFLICT (at, queue, func) DO UPDATE SET
    started = kept.started + excluded.started,
    first = kept.first + excluded.first,
    succeeded = kept.succeeded + excluded.succeeded,
    failed = kept.failed + excluded.failed,
    cancelled = kept.cancelled + excluded.cancelled,
    retried = kept.retried + excluded.retried,
    returned = kept.returned + excluded.returned,
    wait_s = kept.wait_s + excluded.wait_s,
    run_s = kept.run_s + excluded.run_s,
    waits = ARRAY(
        SELECT a + b FROM unnest(kept.waits, excluded.waits) WITH ORDINALITY AS pair (a, b, n) ORDER BY n
    ),
    runs = ARRAY(
        SELECT a + b FROM unnest(kept.runs, excluded.runs) WITH ORDINALITY AS pair (a, b, n) ORDER BY n
    )

-- How many jobs waited in each queue at the first and at the last sample since a time: (queue, before, after).
--
-- since  timestamptz
SELECT DISTINCT ON (queue) queue,
    first_value(pending) OVER whole, last_value(pending) OVER whole
FROM {schema}.history_depths
WHERE at >= %(since)s
WINDOW whole AS (PARTITION BY queue ORDER BY at ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
ORDER BY queue

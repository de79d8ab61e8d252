-- The pause of a queue: (for how many seconds, by whom, why). No row if it is not paused.
--
-- queue  text
SELECT extract(epoch FROM clock_timestamp() - paused_at)::double precision, paused_by, pause_reason
FROM {schema}.queues_v1
WHERE name = %(queue)s AND state = 'paused'

-- Since when a queue is paused, by whom, and why: (at, who, reason); each is NULL where nobody knows.
--
-- queue  text
SELECT paused_at AS at, paused_by AS who, pause_reason AS reason
FROM {schema}.queues_v1
WHERE name = %(queue)s

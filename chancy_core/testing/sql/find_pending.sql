-- The queues that have jobs which could be claimed, but for what their queues say.
--
-- Returns (queue), by name. Reads jobs_ready.
SELECT DISTINCT queue FROM {schema}.jobs WHERE state = 'pending' ORDER BY queue

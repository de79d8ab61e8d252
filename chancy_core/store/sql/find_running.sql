-- The runs that a worker holds: (id, claims, queue). Uses jobs_running; to give an order to the ids as
-- well, the planner would at times walk along jobs_pkey, over every job that waits.
--
-- worker   text
SELECT id, claims, queue FROM {schema}.jobs WHERE state = 'running' AND worker = %(worker)s

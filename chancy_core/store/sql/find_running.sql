-- The runs that a worker holds: (id, claims, queue). Uses jobs_running.
--
-- worker   text
SELECT id, claims, queue FROM {schema}.jobs WHERE state = 'running' AND worker = %(worker)s ORDER BY id

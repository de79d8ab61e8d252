-- Whether any job runs. The order makes it the first entry of jobs_running, whatever statistics say of the table.
SELECT count(*)
FROM (SELECT FROM {schema}.jobs WHERE state = 'running' ORDER BY worker LIMIT 1) AS first

-- Seconds until the next scheduled or retrying job is due; no row when there is none. Uses jobs_due.
SELECT extract(epoch FROM scheduled_at - clock_timestamp())::double precision
FROM {schema}.jobs
WHERE state IN ('scheduled', 'retrying')
ORDER BY scheduled_at
LIMIT 1

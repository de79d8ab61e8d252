-- In how many seconds the first schedule is due, by the database's clock; no row: none is. Uses cron_schedules_due.
SELECT extract(epoch FROM wake_at - clock_timestamp())::double precision AS due_in_s
FROM {schema}.cron_schedules
WHERE NOT paused AND wake_at IS NOT NULL
ORDER BY wake_at
LIMIT 1

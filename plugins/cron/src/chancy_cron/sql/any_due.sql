-- Whether any schedule is due, by the database's clock. Uses cron_schedules_due.
SELECT EXISTS (SELECT FROM {schema}.cron_schedules WHERE NOT paused AND wake_at <= now())

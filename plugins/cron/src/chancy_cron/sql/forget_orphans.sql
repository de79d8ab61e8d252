-- Delete the fires of schedules that were removed more than a day ago; whoever holds one keeps it.
DELETE FROM {schema}.cron_fires
WHERE (schedule, fire_at) IN (
    SELECT schedule, fire_at
    FROM {schema}.cron_fires AS fires
    WHERE fires.pushed_at < now() - interval '1 day'
      AND NOT EXISTS (SELECT FROM {schema}.cron_schedules WHERE name = fires.schedule)
    FOR UPDATE SKIP LOCKED
)

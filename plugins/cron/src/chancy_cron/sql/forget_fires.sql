-- Delete all but the latest `keep` fires of these schedules.
--
-- names    text[]   schedules that this transaction has locked
-- keep     integer
--
-- Uses cron_fires_pkey.
DELETE FROM {schema}.cron_fires AS fires
USING unnest(%(names)b::text[]) AS fired (name), LATERAL (
    SELECT fire_at
    FROM {schema}.cron_fires
    WHERE schedule = fired.name
    ORDER BY fire_at DESC
    OFFSET %(keep)s
    LIMIT 1
) AS oldest
WHERE fires.schedule = fired.name AND fires.fire_at <= oldest.fire_at

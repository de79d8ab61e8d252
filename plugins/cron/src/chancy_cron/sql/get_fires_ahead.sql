-- The times of a schedule that have been fired, and lie ahead now: the clock has been set back since.
--
-- name     text
-- after    timestamptz
--
-- Uses cron_fires_pkey.
SELECT fire_at
FROM {schema}.cron_fires
WHERE schedule = %(name)s AND fire_at > %(after)s AND fire_at < '9999-01-01 00:00+00'

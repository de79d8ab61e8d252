-- Forget the fires of a schedule whose times lie ahead: they will be fired again when the clock comes to them.
--
-- name     text
-- after    timestamptz
--
-- Uses cron_fires_pkey.
DELETE FROM {schema}.cron_fires WHERE schedule = %(name)s AND fire_at > %(after)s

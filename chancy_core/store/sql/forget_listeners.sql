-- Forget the plugins that no worker has had for too long, so that nothing is kept for them any more.
--
-- silent_s   double precision
--
-- Returns (plugin).
DELETE FROM {schema}.listeners
WHERE heard_at < now() - make_interval(secs => %(silent_s)s)
RETURNING plugin

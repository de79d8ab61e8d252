-- The plugins that hear of ends and that no worker has had for a while: uninstalled, or forgotten in a deploy.
--
-- silent_s   double precision
--
-- Returns (plugin, silent_s).
SELECT plugin, extract(epoch FROM now() - heard_at)::double precision AS silent_s
FROM {schema}.listeners
WHERE heard_at < now() - make_interval(secs => %(silent_s)s)
ORDER BY plugin

-- Say that these plugins hear of every end of a job from now on, and that somebody here has them.
--
-- plugins   text[]
INSERT INTO {schema}.listeners (plugin)
SELECT unnest(%(plugins)s::text[]) AS plugin
-- In one order, because two workers may start at once.
ORDER BY plugin
ON CONFLICT (plugin) DO UPDATE SET heard_at = now()

-- The declared queues, all or by name.
--
-- names   text[], or NULL for all
SELECT name, concurrency, tags, executor, executor_options::text, polling_interval,
       CASE WHEN state = 'paused' AND resume_at <= now() THEN 'active' ELSE state END AS state,
       CASE WHEN state = 'paused' AND resume_at > now() THEN resume_at END AS resume_at,
       rate_limit, rate_limit_window, global_concurrency
FROM {schema}.queues
WHERE %(names)s::text[] IS NULL OR name = ANY (%(names)s)
ORDER BY name

-- The declared queues, all or by name.
--
-- names   text[], or NULL for all
--
-- A moment that Python cannot read, which the constraint queues_resume_at refuses, would hide all of them: it is told as
-- the last one that there is.
SELECT name, concurrency, tags, executor, executor_options::text, polling_interval,
       CASE WHEN state = 'paused' AND resume_at <= now() THEN 'active' ELSE state END AS state,
       CASE WHEN state = 'paused' AND resume_at > now() THEN least(resume_at, '9999-12-30 00:00+00') END AS resume_at,
       rate_limit, rate_limit_window, global_concurrency
FROM {schema}.queues
WHERE %(names)s::text[] IS NULL OR name = ANY (%(names)s)
ORDER BY name

-- Delete what jobs have kept that are not live any more. Uses workflow_kept_at and jobs_pkey.
--
-- keep_s  float
-- limit   integer
--
-- Returns a row for each.
DELETE FROM {schema}.workflow_kept
WHERE (job, name) IN (
    SELECT kept.job, kept.name
    FROM {schema}.workflow_kept AS kept
    WHERE kept.at < now() - make_interval(secs => %(keep_s)s::double precision)
      AND NOT EXISTS (SELECT FROM {schema}.jobs_v1 WHERE jobs_v1.id = kept.job)
    LIMIT %(limit)s::integer
)
RETURNING job

-- compatible: yes
-- Since when a queue is paused, by whom, and why: somebody who finds it paused at night wants to know. Code of before leaves
-- the columns as they are; what it has resumed is shown as active, and so without them.
ALTER TABLE {schema}.queues
    ADD COLUMN paused_at    timestamptz,
    ADD COLUMN paused_by    text,
    ADD COLUMN pause_reason text;

-- The same view with three columns more, at its end.
CREATE OR REPLACE VIEW {schema}.queues_v1 AS
SELECT name,
       CASE WHEN state = 'paused' AND resume_at <= now() THEN 'active' ELSE state END AS state,
       CASE WHEN state = 'paused' AND resume_at > now() THEN resume_at END AS resume_at,
       concurrency,
       tags,
       executor,
       executor_options,
       polling_interval AS polling_interval_s,
       rate_limit,
       rate_limit_window AS rate_limit_window_s,
       global_concurrency,
       created_at,
       CASE WHEN state = 'paused' AND (resume_at IS NULL OR resume_at > now()) THEN paused_at END AS paused_at,
       CASE WHEN state = 'paused' AND (resume_at IS NULL OR resume_at > now()) THEN paused_by END AS paused_by,
       CASE WHEN state = 'paused' AND (resume_at IS NULL OR resume_at > now()) THEN pause_reason END AS pause_reason
FROM {schema}.queues;

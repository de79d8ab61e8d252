-- Steps whose jobs are not live any more, of which nobody has told: with what has become of the jobs.
--
-- grace_s  float     what was pushed, or has ended, less long ago is left alone: it is told of in a moment
-- limit    integer
--
-- Returns (run, n, job, outcome, note, when, whether it expired): of a job that is nowhere the outcome is NULL.
-- Uses workflow_steps_job and jobs_pkey.
SELECT step.run::text, step.n, step.job_id::text, finished.state, finished.note, finished.finished_at,
    finished.attempts = 0 AND finished.expires_at <= finished.finished_at
FROM {schema}.workflow_steps AS step
LEFT JOIN LATERAL (
    SELECT state, note, finished_at, attempts, expires_at
    FROM {schema}.finished_jobs_v1
    WHERE finished_jobs_v1.id = step.job_id
    LIMIT 1
) AS finished ON true
WHERE step.state = 'pushed'
  AND greatest(step.begun_at, finished.finished_at) < now() - make_interval(secs => %(grace_s)s::double precision)
  AND NOT EXISTS (SELECT FROM {schema}.jobs_v1 WHERE jobs_v1.id = step.job_id)
LIMIT %(limit)s::integer

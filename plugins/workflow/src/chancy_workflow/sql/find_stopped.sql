-- Jobs that are to be cancelled, because their runs were stopped, and have not been told so.
--
-- runs   uuid[]    NULL: of every run
-- limit  integer
--
-- Returns (job, why, run). Uses workflow_steps_stopped and jobs_pkey.
SELECT step.job_id, coalesce(run.note, 'Its workflow was stopped.'), run.id::text
FROM {schema}.workflow_steps AS step
JOIN {schema}.workflow_runs AS run ON run.id = step.run
JOIN {schema}.jobs_v1 AS job ON job.id = step.job_id AND NOT job.cancel_requested
WHERE step.state = 'pushed' AND step.stopped
  AND (%(runs)s::uuid[] IS NULL OR step.run = ANY (%(runs)s::uuid[]))
LIMIT %(limit)s::integer

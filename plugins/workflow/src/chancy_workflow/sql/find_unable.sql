-- Runs that wait for jobs of these functions.
--
-- funcs  text[]
-- limit  integer
--
-- Returns (workflow, function, runs, one of them). Uses workflow_steps_job and jobs_pkey.
SELECT run.name, job.func, count(DISTINCT run.id), min(run.id::text)
FROM {schema}.workflow_steps AS step
JOIN {schema}.jobs_v1 AS job ON job.id = step.job_id AND job.state <> 'running' AND job.func = ANY (%(funcs)s::text[])
JOIN {schema}.workflow_runs AS run ON run.id = step.run
WHERE step.state = 'pushed'
GROUP BY run.name, job.func
ORDER BY count(DISTINCT run.id) DESC
LIMIT %(limit)s::integer

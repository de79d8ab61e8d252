-- Runs that wait for jobs of these functions in these queues.
--
-- queues  text[]
-- funcs   text[]   as many: the function of each queue
-- limit   integer
--
-- Returns (workflow, queue, function, runs, one of them). Uses workflow_steps_job and jobs_pkey.
SELECT run.name, job.queue, job.func, count(DISTINCT run.id), min(run.id::text)
FROM {schema}.workflow_steps AS step
JOIN {schema}.jobs_v1 AS job ON job.id = step.job_id AND job.state <> 'running'
    AND (job.queue, job.func) IN (SELECT * FROM unnest(%(queues)s::text[], %(funcs)s::text[]))
JOIN {schema}.workflow_runs AS run ON run.id = step.run
WHERE step.state = 'pushed'
GROUP BY run.name, job.queue, job.func
ORDER BY count(DISTINCT run.id) DESC
LIMIT %(limit)s::integer

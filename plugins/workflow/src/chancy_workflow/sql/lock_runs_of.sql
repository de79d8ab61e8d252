-- As lock_runs, the runs whose steps wait for these jobs. Uses workflow_steps_job and workflow_runs_pkey.
--
-- jobs  uuid[]
SELECT id::text
FROM {schema}.workflow_runs
WHERE id = ANY (ARRAY(
    SELECT DISTINCT run FROM {schema}.workflow_steps WHERE state = 'pushed' AND job_id = ANY (%(jobs)s::uuid[])
))
ORDER BY id
FOR NO KEY UPDATE

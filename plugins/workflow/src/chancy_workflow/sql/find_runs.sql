-- The runs that wait for one of these jobs. Uses workflow_steps_job.
--
-- jobs  uuid[]
SELECT DISTINCT run::text FROM {schema}.workflow_steps WHERE state = 'pushed' AND job_id = ANY (%(jobs)s::uuid[])

-- The jobs of steps were pushed. The runs must be locked.
--
-- runs  uuid[]
-- ns    integer[]   of each the step
-- jobs  uuid[]      of each the job
--
-- Uses workflow_steps_pkey, a row at a time; see end_jobs.
UPDATE {schema}.workflow_steps AS step
SET state = 'pushed', job_id = given.job_id, begun_at = now()
FROM unnest(%(runs)s::uuid[], %(ns)s::integer[], %(jobs)s::uuid[]) AS given (run, n, job_id)
CROSS JOIN LATERAL (
    SELECT ctid AS place FROM {schema}.workflow_steps WHERE run = given.run AND n = given.n OFFSET 0
) AS mine
WHERE step.ctid = mine.place

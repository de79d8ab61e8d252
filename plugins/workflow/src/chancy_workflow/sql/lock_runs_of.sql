-- As lock_runs, the runs whose steps wait for these jobs, in the transaction in which these end.
--
-- jobs  uuid[]
-- ms    text     how long it waits for a lock, at most, because the jobs of whoever waits are recorded after it
--
-- From here on no plan reads a table once to compare all of it with each row of another. Both are set before the first row is
-- looked for, because that waits for `limits`. Uses workflow_steps_job and workflow_runs_pkey.
WITH limits AS MATERIALIZED (
    SELECT set_config('lock_timeout', %(ms)s::text, true), set_config('enable_material', 'off', true)
)
SELECT id::text
FROM {schema}.workflow_runs
WHERE (SELECT count(*) FROM limits) = 1
  AND id = ANY (ARRAY(
      SELECT DISTINCT run FROM {schema}.workflow_steps WHERE state = 'pushed' AND job_id = ANY (%(jobs)s::uuid[])
  ))
ORDER BY id
FOR NO KEY UPDATE

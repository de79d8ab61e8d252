-- Note that the jobs of steps are nowhere: not live, and not among those that have finished. The runs must be locked.
--
-- steps    json    an array of objects: run, n
-- grace_s  float   for so long somebody may still tell of their ends
--
-- Returns (job) of those that were missed for so long.
UPDATE {schema}.workflow_steps AS step
SET missed_at = coalesce(step.missed_at, now())
FROM json_to_recordset(%(steps)s::json) AS given (run uuid, n integer)
CROSS JOIN LATERAL (
    SELECT ctid AS place FROM {schema}.workflow_steps WHERE run = given.run AND n = given.n OFFSET 0
) AS mine
WHERE step.ctid = mine.place AND step.state = 'pushed'
RETURNING CASE
    WHEN step.missed_at <= now() - make_interval(secs => %(grace_s)s::double precision) OR %(grace_s)s::double precision = 0
        THEN step.job_id::text
END

-- Make up to {limit} scheduled and retrying jobs runnable whose time has come, by the database's clock.
--
-- limit    integer
--
-- Returns the queues that gained jobs, once a job. Those that have no attempt left stay for promote_these: this statement
-- touches no other table, which somebody may have locked. Uses jobs_due; why the rows are addressed by their place alone
-- is explained in claim_jobs.
UPDATE {schema}.jobs
SET state = 'pending'
WHERE ctid = ANY (ARRAY(
    SELECT ctid
    FROM {schema}.jobs
    WHERE state IN ('scheduled', 'retrying') AND scheduled_at <= now() AND attempts < max_attempts
    ORDER BY scheduled_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
))
RETURNING queue

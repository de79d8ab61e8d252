-- The next {limit} jobs that sweep_jobs would take, of those not yet tried.
--
-- limit   integer
-- tried   uuid[]
--
-- Returns (id, queue), twice for a job that is both expired and cancelled. Uses jobs_expiring and jobs_cancelled.
(
    SELECT id, queue
    FROM {schema}.jobs
    WHERE expires_at <= now() AND attempts = 0 AND worker IS NULL AND id <> ALL (%(tried)s::uuid[])
    ORDER BY expires_at
    LIMIT %(limit)s
)
UNION ALL
(
    SELECT id, queue
    FROM {schema}.jobs
    WHERE worker IS NULL AND cancel_note IS NOT NULL AND id <> ALL (%(tried)s::uuid[])
    ORDER BY worker
    LIMIT %(limit)s
)
